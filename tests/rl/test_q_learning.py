import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.losses import preference_policy_loss
from rmkeras.rl import RandomWalks, SoftQLearning
from rmkeras.rl.deep_q import soft_q_targets
from rmkeras.rl.q_learning import (
    WordWorld,
    greedy_episode,
    optimal_values,
    q_learning,
)
from tests.rl.worlds import LENGTH, SmallWorld


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.text("ab", max_size=3), st.integers(-3, 5), min_size=1),
    st.sampled_from([0.5, 0.9, 1.0]),
)
def test_bellmans_optimum_is_the_best_of_all_words(rewards, discount):
    world = WordWorld(rewards, letters="ab", max_length=3)
    best = -np.inf
    for length in range(4):
        for word in itertools.product("ab", repeat=length):
            # Ending takes a step, except where the length does it.
            steps = length + (length < 3)
            value = rewards.get("".join(word), 0) * discount ** (steps - 1)
            best = max(best, value)
    assert max(optimal_values(world, discount)[""].values()) == pytest.approx(best)


def test_q_learning_reaches_the_optimum():
    world = WordWorld({"good": 1.0, "go": 0.6, "bad": -1.0, "god": 0.2})
    exact = optimal_values(world, 0.9)
    found, returns = q_learning(
        world, episodes=20_000, discount=0.9, exploration=0.5, seed=1
    )
    # Along the best way, where it has been often.
    state, done = "", False
    while not done:
        action = max(exact[state], key=exact[state].get)
        assert found[state][action] == pytest.approx(exact[state][action], abs=0.02)
        assert max(found[state], key=found[state].get) == action
        state, _, done = world.step(state, action)
    assert state == "good" and np.mean(returns[-500:]) > np.mean(returns[:500])


def test_q_learning_finds_the_shortest_walks():
    world = RandomWalks()
    found, _ = q_learning(world, episodes=6000, exploration=0.3, seed=0)
    for node, letter in enumerate(world.starts(), 1):
        end, total = greedy_episode(world, found, letter)
        assert end == "a" and -total == world.shortest[node] - 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.lists(st.integers(1, 5), min_size=2, max_size=2))
def test_soft_targets_are_the_sum(n, lengths):
    rng = np.random.default_rng(n)
    reference, ours, values = rng.normal(size=(3, 2, 5)).astype("float32")
    mask = (np.arange(5) < np.array(lengths)[:, None]).astype("float32")
    scores = np.float32([3.0, -1.0])
    found = soft_q_targets(scores, reference, ours, values, mask, 0.7, n).numpy()
    for row, length in enumerate(lengths):
        for t in range(5):
            if t >= length:
                assert found[row, t] == 0
                continue
            y = 0.0
            for k in range(t, min(t + n, length)):
                y += 0.7 * reference[row, k] + (scores[row] if k == length - 1 else 0)
                y -= 0.7 * ours[row, k] if k > t else 0
            y += values[row, t + n] if t + n < length else 0
            assert found[row, t] == pytest.approx(y, abs=1e-4)


@pytest.mark.parametrize("n", [1, 4])
def test_soft_q_learning_reaches_the_closed_form(n):
    world, beta = SmallWorld(), 1.0
    exact = np.exp(world.log_pi().numpy() + world.rewards() / beta)
    exact /= exact.sum()
    before = np.exp(world.log_pi().numpy())
    trainer = SoftQLearning(
        world.policy,
        world.reward,
        64,
        LENGTH,
        kl_coefficient=beta,
        learning_rate=2e-2,
        unfinished_reward=None,
        n=n,
        copy_every=4,
    )
    for _ in range(60):
        logs = trainer.step()
    after = np.exp(world.log_pi().numpy())
    assert np.abs(before - exact).sum() / 2 > 0.3
    assert np.abs(after - exact).sum() / 2 < 0.06, (after, exact)
    # V of the empty text is the optimum's log-partition, −1 to 2 here.
    assert logs["td_error"] < 0.5


def test_dpo_on_a_table_finds_the_closed_form():
    rewards = np.float32([1.0, -0.5, 2.0, 0.0])
    reference = np.log(np.float32([0.4, 0.3, 0.1, 0.2]))
    beta = 0.5
    exact = np.exp(reference + rewards / beta)
    exact /= exact.sum()
    logits = tf.Variable(reference)
    optimizer = tf.keras.optimizers.Adam(0.05)
    a, b = map(np.array, zip(*itertools.permutations(range(4), 2), strict=True))
    preferred = 1 / (1 + np.exp(rewards[b] - rewards[a]))  # Bradley-Terry
    for _ in range(400):
        with tf.GradientTape() as tape:
            log_pi = tf.nn.log_softmax(logits)
            loss, _ = preference_policy_loss(
                tf.gather(log_pi, a),
                tf.gather(log_pi, b),
                reference[a],
                reference[b],
                beta,
            )
            total = tf.reduce_sum(loss * preferred)
        optimizer.apply_gradients([(tape.gradient(total, logits), logits)])
    np.testing.assert_allclose(tf.nn.softmax(logits), exact, atol=2e-3)


@pytest.mark.parametrize("p", [1.0, 0.8])
def test_ipo_on_a_table_stops_at_its_goal(p):
    # min p (h − 1/2β)² + (1 − p) (−h − 1/2β)² is at h = (2p − 1) / 2β, finite even
    # where all agree; DPO's would grow for ever.
    beta, logits = 0.5, tf.Variable([0.0, 0.0])
    optimizer = tf.keras.optimizers.SGD(0.2)
    zero = tf.zeros(2)
    for _ in range(60):
        with tf.GradientTape() as tape:
            log_pi = tf.nn.log_softmax(logits)
            loss, _ = preference_policy_loss(
                log_pi, log_pi[::-1], zero, zero, beta, kind="ipo"
            )
            total = tf.reduce_sum(loss * [p, 1 - p])
        optimizer.apply_gradients([(tape.gradient(total, logits), logits)])
    h = float(logits[0] - logits[1])
    assert h == pytest.approx((2 * p - 1) / (2 * beta), abs=1e-3)


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"memory": 0}, {"kl_coefficient": 0.0}, {"copy_every": 0}]
)
def test_what_makes_no_sense_is_refused(wrong):
    world = SmallWorld()
    with pytest.raises(ValueError):
        SoftQLearning(world.policy, world.reward, 8, LENGTH, **wrong)
