"""Sums of rewards, with weights that stay or adapt."""

from __future__ import annotations

import numpy as np

from rmkeras.rewards.base import CONTEXT, Reward

ADAPT = ("none", "scale", "lagging")
MEMORY = 0.9  # share of the past in running means


class WeightedSum(Reward):
    """Σ_k w_k r_k, where the weights may adapt while a policy is trained.

    - `"none"`: the weights are what you say.
    - `"scale"`: each reward is divided by its running standard deviation, so that
      a weight means the same for a rating from −4 to 4 and for a share from 0 to 1.
    - `"lagging"`: that, and rewards that lag behind weigh more: with g_k, the gain
      of reward k since the first batch in its own standard deviations,
      w_k ← w_k exp(−η (g_k − ḡ)), normalised to keep Σ w_k. It keeps a policy from
      buying one reward with another.

    The running values change after the batch that they are computed from is
    scored, and only in `score`; they are saved and resumed with a run. A look, which
    only measures, changes none: see `at_rest`.

    Args:
        rewards: `Reward`s.
        weights: As many numbers; 1 each if `None`.
        adapt: See above.
        rate: η.

    Example:

    >>> from rmkeras.rewards import FunctionReward, WeightedSum
    >>> length = FunctionReward(lambda texts: [len(t) for t in texts], "length")
    >>> shout = FunctionReward(lambda texts: [t.count("!") for t in texts], "shout")
    >>> WeightedSum([length, shout], [1.0, -2.0])(["wow!", "hm"]).tolist()
    [2.0, 2.0]

    Source: the multiplicative update is that of Freund and Schapire (1997), on
    gains instead of losses, with its sign turned.
    """

    def __init__(self, rewards, weights=None, adapt="none", rate=0.05):
        self.rewards = list(rewards)
        if not self.rewards:
            raise ValueError("there are no rewards to add; give one or more")
        weights = [1.0] * len(self.rewards) if weights is None else list(weights)
        if len(weights) != len(self.rewards):
            raise ValueError(
                f"there are {len(self.rewards)} rewards and {len(weights)} weights; "
                "expected as many of both"
            )
        if adapt not in ADAPT:
            raise ValueError(f"adapt is {adapt!r}; expected one of {', '.join(ADAPT)}")
        self.weights = np.array(weights, "float64")
        self.adapt = adapt
        self.rate = rate
        self.name = " + ".join(r.name for r in self.rewards)
        self.needs = tuple(
            n for n in CONTEXT if any(n in r.needs for r in self.rewards)
        )
        self.wants = tuple(
            n for n in CONTEXT if any(n in r.wants for r in self.rewards)
        )
        self._given = self.weights.tolist()
        self._first = self._mean = self._variance = None

    def parts(self, texts, prompts=None, references=None):
        """Scores with each reward alone; returns `(rewards, n)` float32."""
        return np.stack([r(texts, prompts, references) for r in self.rewards])

    def score(self, texts, prompts=None, references=None):
        """Adds up, then lets the weights adapt."""
        each = self.parts(texts, prompts, references).astype("float64")  # (K, n)
        if self.adapt == "none":
            return self.weights @ each
        before = self.weights, self._first, self._mean, self._variance
        if self._mean is None:
            self._note(each)
        total = self.weights @ (each / self._spread()[:, None])
        self._note(each)
        if self.adapt == "lagging":
            gain = (self._mean - self._first) / self._spread()
            size = np.abs(self.weights).sum()
            self.weights = self.weights * np.exp(-self.rate * (gain - gain.mean()))
            self.weights *= size / np.abs(self.weights).sum()
        if self.resting:
            self.weights, self._first, self._mean, self._variance = before
        return total

    def _spread(self):
        return np.sqrt(self._variance) + 1e-8

    def _note(self, each):
        mean, variance = each.mean(axis=1), each.var(axis=1)
        if self._mean is None:
            # A reward that does not vary yet must not be blown up.
            self._first, self._mean = mean, mean
            self._variance = np.where(variance > 0, variance, 1.0)
            return
        self._mean = MEMORY * self._mean + (1 - MEMORY) * mean
        self._variance = MEMORY * self._variance + (1 - MEMORY) * variance

    @property
    def looks_at_batch(self):
        """Whether weights adapt, or a part looks at the whole batch."""
        return self.adapt != "none" or any(r.looks_at_batch for r in self.rewards)

    def inner(self):
        """The rewards that are added."""
        return self.rewards

    def decides(self):
        """See `Reward.decides`; the weights are those given, not as they are now."""
        return {
            "kind": type(self).__name__,
            "weights": self._given,
            "parts": [r.decides() for r in self.rewards],
            "adapt": self.adapt,
            "rate": self.rate,
        }

    def state(self):
        """Returns weights and running values, and what the parts have."""
        arrays = (self.weights, self._first, self._mean, self._variance)
        return {
            "arrays": [None if a is None else a.tolist() for a in arrays],
            "parts": [r.state() for r in self.rewards],
        }

    def load_state(self, state):
        """Takes them back."""
        self.weights, self._first, self._mean, self._variance = (
            None if a is None else np.array(a) for a in state["arrays"]
        )
        for reward, part in zip(self.rewards, state["parts"], strict=True):
            reward.load_state(part)
