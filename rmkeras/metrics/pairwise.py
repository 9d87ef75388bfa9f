"""Accuracy on comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np


def pair_outcomes(chosen: Any, rejected: Any) -> np.ndarray:
    r"""Says of each pair whether the chosen answer got the higher reward.

    $$ x_i = [r_{c,i} > r_{r,i}] + \tfrac12 [r_{c,i} = r_{r,i}] $$

    Args:
        chosen: Rewards of the chosen answers, shape `(n,)`.
        rejected: Rewards of the rejected answers, shape `(n,)`.

    Returns:
        Array of shape `(n,)` of 1.0, 0.0, and 0.5 for a tie.

    Raises:
        ValueError: If lengths differ, or a reward is not finite.

    Example:

    >>> from rmkeras.metrics import pair_outcomes
    >>> pair_outcomes([2, 1, 0], [1, 1, 1]).tolist()
    [1.0, 0.5, 0.0]
    """
    c, r = (np.asarray(v, "float64").ravel() for v in (chosen, rejected))
    if len(c) != len(r):
        raise ValueError(f"got {len(c)} chosen and {len(r)} rejected rewards")
    if not (np.isfinite(c).all() and np.isfinite(r).all()):
        raise ValueError("rewards must be finite numbers; got NaN or infinity")
    return 0.5 + 0.5 * np.sign(c - r)


def pairwise_accuracy(chosen: Any, rejected: Any, weights: Any = None) -> float:
    r"""Share of pairs in which the chosen answer got the higher reward.

    $$ \frac{\sum_i w_i x_i}{\sum_i w_i} $$

    with $x_i$ of `pair_outcomes`. A tie counts one half: a model that gives every
    text the same reward has 0.5, as guessing has, and neither 0 nor 1.

    Args:
        chosen: Rewards of the chosen answers, shape `(n,)`.
        rejected: Rewards of the rejected answers, shape `(n,)`.
        weights: Array of shape `(n,)`; all equal if None.

    Returns:
        A number from 0 to 1; 0.0 where there are no pairs.

    Raises:
        ValueError: If lengths differ, or a reward is not finite.

    Example:

    >>> from rmkeras.metrics import pairwise_accuracy
    >>> pairwise_accuracy([2, 1, 0], [1, 1, 1])
    0.5

    Source: Ouyang et al., "Training language models to follow instructions with
    human feedback" (2022), section 3.5.
    """
    x = pair_outcomes(chosen, rejected)
    w = np.ones_like(x) if weights is None else np.asarray(weights, "float64").ravel()
    if len(w) != len(x):
        raise ValueError(f"got {len(w)} weights for {len(x)} pairs")
    return float((w * x).sum() / w.sum()) if w.sum() > 0 else 0.0
