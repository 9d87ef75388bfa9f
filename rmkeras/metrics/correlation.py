"""Pearson's correlation: of arrays, and by domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def pearson(x: Any, y: Any, weights: Any = None) -> float:
    r"""Correlation of two variables, optionally weighted.

    $$ r = \frac{\sum_i w_i (x_i - \bar x)(y_i - \bar y)}
    {\sqrt{\sum_i w_i (x_i - \bar x)^2 \; \sum_i w_i (y_i - \bar y)^2}} $$

    with weighted means $\bar x$ and $\bar y$.

    Args:
        x: Array of shape `(n,)`.
        y: Array of shape `(n,)`.
        weights: Array of shape `(n,)` of numbers of at least 0; all equal if None.

    Returns:
        A number from -1 to 1; 0.0 where `x` or `y` is constant or there are no
        values. A constant prediction ranks nothing, and unlike SciPy's NaN the
        number can be averaged, compared and written as JSON.

    Raises:
        ValueError: If the lengths differ, or a value is not finite.

    Example:

    >>> from rmkeras.metrics import pearson
    >>> round(pearson([1, 2, 3, 4], [1, 3, 2, 4]), 3)
    0.8

    Source: Pearson, "Notes on regression and inheritance in the case of two
    parents" (1895).
    """
    x, y = (np.asarray(values, "float64").ravel() for values in (x, y))
    w = np.ones_like(x) if weights is None else np.asarray(weights, "float64").ravel()
    if not len(x) == len(y) == len(w):
        raise ValueError(
            "pearson needs arrays of one length; got lengths "
            f"{len(x)} and {len(y)} with {len(w)} weights"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("pearson needs finite numbers; got NaN or infinity")
    if w.sum() <= 0 or _constant(x[w > 0]) or _constant(y[w > 0]):
        return 0.0
    dx, dy = x - np.average(x, weights=w), y - np.average(y, weights=w)
    # Scaled first, so that squares of very small or large numbers keep in range.
    dx, dy = dx / np.abs(dx).max(), dy / np.abs(dy).max()
    r = (w * dx * dy).sum() / np.sqrt((w * dx * dx).sum() * (w * dy * dy).sum())
    return float(np.clip(r, -1.0, 1.0))


def _constant(values: np.ndarray) -> bool:
    """Whether values differ by no more than rounding."""
    spread = values.max() - values.min()
    return spread <= 8 * np.finfo("float64").eps * np.abs(values).max()


def per_domain_pearson(
    predictions: Sequence[float], records: Iterable[Any]
) -> dict[str, float]:
    """Correlation of predictions with people's ratings, within each domain.

    One correlation over all domains would also reward a model that merely knows
    that film reviews are rated higher than editorials.

    Args:
        predictions: Array of shape `(n,)`: a prediction a record.
        records: `n` records with the attributes `rating` and `source`, such as
            `rmkeras.data.Rating`.

    Returns:
        A dict from domain to `pearson`, in the order in which domains first occur.

    Raises:
        ValueError: If there are not as many predictions as records.

    Example:

    >>> from rmkeras.data import Rating
    >>> from rmkeras.metrics import per_domain_pearson
    >>> records = [Rating("good", 2.0, source="tweets"),
    ...            Rating("bad", -2.0, source="tweets")]
    >>> per_domain_pearson([0.3, 0.1], records)
    {'tweets': 1.0}
    """
    records = list(records)
    predictions = np.asarray(predictions, "float64").ravel()
    if len(predictions) != len(records):
        raise ValueError(
            f"per_domain_pearson got {len(predictions)} predictions for "
            f"{len(records)} records; it needs one for each"
        )
    ratings = np.array([record.rating for record in records], "float64")
    sources = np.array([record.source for record in records], object)
    return {
        domain: pearson(predictions[sources == domain], ratings[sources == domain])
        for domain in dict.fromkeys(sources)
    }
