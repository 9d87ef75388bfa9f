"""How strongly the policy is tied to where it started: a fixed or adaptive β."""

from __future__ import annotations


class FixedKL:
    """β stays what it is.

    Args:
        coefficient: β, in units of the reward a nat.

    Example:

    >>> from rmkeras.rl import FixedKL
    >>> kl = FixedKL(0.1)
    >>> kl.update(12.0, samples=100)
    >>> kl.value
    0.1
    """

    def __init__(self, coefficient):
        if coefficient < 0:
            raise ValueError(f"the KL coefficient is {coefficient}; expected 0 or more")
        self.value = float(coefficient)

    def update(self, kl, samples):
        """Does nothing."""


class AdaptiveKL:
    """β rises while KL is above its target and falls while it is below.

    e = clip(KL / target − 1, −0.2, 0.2),   β ← β (1 + e · n / horizon)

    Args:
        coefficient: The first β; positive.
        target: KL a sequence to hold, in nats.
        horizon: Samples in which an error of 1 would double β.

    Example:

    >>> from rmkeras.rl import AdaptiveKL
    >>> kl = AdaptiveKL(0.1, target=6.0, horizon=1000)
    >>> kl.update(12.0, samples=100)
    >>> round(kl.value, 4)
    0.102

    Source: Ziegler et al. (2019), "Fine-Tuning Language Models from Human
    Preferences", section 2.2.
    """

    def __init__(self, coefficient, target, horizon=10_000):
        for name, value in (
            ("coefficient", coefficient),
            ("target", target),
            ("horizon", horizon),
        ):
            if value <= 0:
                raise ValueError(f"{name} is {value}; it must be positive")
        self.value = float(coefficient)
        self.target = float(target)
        self.horizon = float(horizon)

    def update(self, kl, samples):
        """Moves β after a batch of `samples` whose mean KL was `kl`."""
        error = min(0.2, max(-0.2, kl / self.target - 1.0))
        self.value *= 1.0 + error * samples / self.horizon
