r"""Q-learning in a table, where the optimum is known.

    Q(s, a) ← Q(s, a) + α [r + γ max_a' Q(s', a') − Q(s, a)]

1. The target uses the *best* next action, whatever the walker did: off-policy.
2. Exploration: with probability ε a random action, else the best; ties are broken at
   random, else the first action would always be tried first.
3. After the end of an episode the value is 0.
4. With a rate α_n(s, a) = 1 / visits^ω, ½ < ω ≤ 1, Q converges to the optimum with
   certainty if every pair is visited for ever; ω = 0.8 gets there quickly.

Source: Watkins and Dayan (1992); Even-Dar and Mansour (2003) for ω.
"""

from __future__ import annotations

import numpy as np


class WordWorld:
    """Spell a word letter by letter; the finished word is rewarded.

    A state is what has been spelled; actions are letters, and `""`, which ends the
    word. A word at its greatest length ends by itself.

    Args:
        rewards: Words and what they are worth; any other word is worth 0.
        letters: The alphabet; the words' letters if `None`.
        max_length: The longest word's length if `None`.

    Example:

    >>> from rmkeras.rl.q_learning import WordWorld, optimal_values
    >>> world = WordWorld({"good": 1.0, "go": 0.5})
    >>> world.step("go", "")
    ('go', 0.5, True)
    >>> optimal_values(world, discount=0.5)["go"]["o"]
    0.5
    """

    def __init__(self, rewards, letters=None, max_length=None):
        self.rewards = dict(rewards)
        self.letters = sorted(set(letters or "".join(self.rewards)))
        self.max_length = max_length or max(map(len, self.rewards))

    def starts(self):
        """Returns the states an episode can begin in."""
        return [""]

    def actions(self, state):
        """Returns what can be done."""
        return [*self.letters, ""]

    def step(self, state, action):
        """Returns the next state, the reward, and whether that was the end."""
        word = state + action
        done = action == "" or len(word) == self.max_length
        return word, self.rewards.get(word, 0.0) if done else 0.0, done


def optimal_values(world, discount=1.0):
    """Q* by Bellman's equation, from the ends backwards.

    Args:
        world: Has `starts`, `actions` and `step`; no state may come twice in an
            episode, unless rewards make that worse than stopping.
        discount: γ.

    Returns:
        A dict of dicts: `found[state][action]`.
    """
    states, queue = {}, list(world.starts())
    while queue:
        state = queue.pop()
        if state in states:
            continue
        states[state] = {a: world.step(state, a) for a in world.actions(state)}
        queue += [s for s, _, done in states[state].values() if not done]
    found = {s: dict.fromkeys(actions, 0.0) for s, actions in states.items()}
    change = 1.0
    while change > 1e-12:
        change = 0.0
        for state, actions in states.items():
            for action, (following, reward, done) in actions.items():
                value = reward
                if not done:
                    value += discount * max(found[following].values())
                change = max(change, abs(value - found[state][action]))
                found[state][action] = value
    return found


def q_learning(
    world, episodes=2000, discount=1.0, exploration=0.2, omega=0.8, seed=0, longest=100
):
    """Learns Q from episodes.

    Args:
        world: See `optimal_values`.
        episodes: Number of episodes.
        discount: γ.
        exploration: ε.
        omega: ω of the learning rate, see above.
        seed: Decides all draws.
        longest: Steps after which an episode is broken off.

    Returns:
        Q, a dict of dicts, and the sum of rewards of each episode.

    Example:

    >>> from rmkeras.rl.q_learning import WordWorld, greedy_episode, q_learning
    >>> world = WordWorld({"good": 1.0, "go": 0.5})
    >>> values, _ = q_learning(world)
    >>> greedy_episode(world, values)
    ('good', 1.0)
    """
    generator = np.random.default_rng(seed)
    values, visits, returns = {}, {}, []

    def of(state):
        if state not in values:
            values[state] = dict.fromkeys(world.actions(state), 0.0)
        return values[state]

    starts = world.starts()
    for _ in range(episodes):
        state, total = starts[generator.integers(len(starts))], 0.0
        for _ in range(longest):
            options = of(state)
            names = list(options)
            if generator.random() < exploration:
                action = names[generator.integers(len(names))]
            else:
                best = max(options.values())
                ties = [a for a in names if options[a] == best]
                action = ties[generator.integers(len(ties))]
            following, reward, done = world.step(state, action)
            target = reward
            if not done:
                target += discount * max(of(following).values())
            visits[state, action] = visits.get((state, action), 0) + 1
            rate = visits[state, action] ** -omega
            options[action] += rate * (target - options[action])
            total += reward
            state = following
            if done:
                break
        returns.append(total)
    return values, returns


def greedy_episode(world, values, start=None, longest=100):
    """Follows the best action from a start.

    Args:
        world: The world.
        values: Q, as `q_learning` returns it.
        start: A state; the first of the world's if `None`.
        longest: Steps after which to stop.

    Returns:
        The last state and the sum of rewards.
    """
    state, total = world.starts()[0] if start is None else start, 0.0
    for _ in range(longest):
        options = values.get(state)
        if options is None:
            break
        state, reward, done = world.step(state, max(options, key=options.get))
        total += reward
        if done:
            break
    return state, total
