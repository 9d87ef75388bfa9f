r"""Over-optimisation: what becomes of the gold reward while the proxy rises.

With d = √KL from where the policy began, Gao et al. found for large models

    best of n:  gold(d) = d (α − β d)
    RL:         gold(d) = d (α − β log d)

gold being measured from its value at d = 0. α says how good the proxy is at first, β
how soon it is gamed. Both are linear in α and β, so the fit is plain least squares.

Source: Gao, Schulman and Hilton (2022), "Scaling Laws for Reward Model
Overoptimization", section 3.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class OveroptimizationFit(NamedTuple):
    """A fitted curve.

    Attributes:
        alpha, beta: The coefficients.
        kind: `"best-of-n"` or `"rl"`.
        r2: Share of the gold reward's variance that the curve explains.
    """

    alpha: float
    beta: float
    kind: str
    r2: float

    def __call__(self, distance):
        """The curve at distances √KL, an array."""
        d = np.asarray(distance, "float64")
        return self.alpha * d - self.beta * _bend(d, self.kind)

    @property
    def peak(self):
        """The distance where the curve is highest; infinite if it does not bend."""
        if self.beta <= 0:
            return float("inf")
        if self.kind == "best-of-n":
            return self.alpha / (2 * self.beta)
        return float(np.exp(self.alpha / self.beta - 1.0))


def _bend(d, kind):
    if kind == "best-of-n":
        return d**2
    # d log d goes to 0 with d.
    return d * np.log(np.where(d > 0, d, 1.0))


def fit_overoptimization(distance, gold, kind):
    """Fits one of the two curves.

    Args:
        distance: `(n,)`: √KL, from 0.
        gold: `(n,)`: gold reward minus its value at distance 0.
        kind: `"best-of-n"` or `"rl"`.

    Returns:
        An `OveroptimizationFit`.

    Raises:
        ValueError: If `kind` is unknown, or there are fewer than two points beyond
            distance 0.

    Example:

    >>> import numpy as np
    >>> from rmkeras.evaluate import fit_overoptimization
    >>> d = np.linspace(0, 3, 7)
    >>> fit = fit_overoptimization(d, d * (2.0 - 0.5 * d), "best-of-n")
    >>> round(fit.alpha, 3), round(fit.beta, 3), round(fit.peak, 3)
    (2.0, 0.5, 2.0)
    """
    if kind not in ("best-of-n", "rl"):
        raise ValueError(f"kind is {kind!r}; expected best-of-n or rl")
    d, gold = np.asarray(distance, "float64"), np.asarray(gold, "float64")
    if (d > 0).sum() < 2:
        raise ValueError("two points beyond distance 0 are needed to fit two numbers")
    columns = np.stack([d, -_bend(d, kind)], axis=1)
    (alpha, beta), *_ = np.linalg.lstsq(columns, gold, rcond=None)
    left = ((gold - columns @ [alpha, beta]) ** 2).sum()
    spread = ((gold - gold.mean()) ** 2).sum()
    return OveroptimizationFit(
        float(alpha), float(beta), kind, float(1 - left / max(spread, 1e-12))
    )
