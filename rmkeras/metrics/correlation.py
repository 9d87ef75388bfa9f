"""Pearson's correlation: of arrays, by domain, and streaming through Keras."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


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


@keras.saving.register_keras_serializable(package="rmkeras")
class PearsonCorrelation(keras.metrics.Metric):
    r"""Streaming Pearson correlation of predictions with targets.

    $$ r = \frac{S_{ty} - S_t S_y / W}
    {\sqrt{(S_{tt} - S_t^2 / W)(S_{yy} - S_y^2 / W)}} $$

    where $S_{ty} = \sum_i w_i t_i y_i$ and so on, and $W = \sum_i w_i$. The value
    belongs to all examples seen since the last reset, however they were batched;
    it is not a mean of the batches' correlations.

    The six sums are kept in float64. The product of two float32 numbers is exact
    in float64, so the subtraction, which loses all digits in float32 where the
    mean is large beside the spread, has digits to spare. Means kept by Welford's
    update would be as precise in float32, but replicas of `tf.distribute` could
    not be added up. (JAX has float64 only with `jax_enable_x64`.)

    The result is 0.0 where predictions or targets are constant so far.

    Args:
        name: The metric's name.
        dtype: Type of the sums.
        column: Of targets and predictions `(batch, aspects)`, the aspect that is
            compared; targets of NaN, which nobody rated, are left out. Without it
            there is one prediction a text.

    Call arguments (`update_state`):
        y_true: Tensor of shape `(batch,)` or `(batch, 1)`; or `(batch, 2)` as for
            `RaterSpread`, of which the first column counts.
        y_pred: Tensor of shape `(batch,)` or `(batch, 1)`.
        sample_weight: Tensor with a weight an example, or None.

    Example:

    >>> from rmkeras.metrics import PearsonCorrelation
    >>> metric = PearsonCorrelation()
    >>> metric.update_state([1.0, 2.0], [1.0, 3.0])
    >>> metric.update_state([3.0, 4.0], [2.0, 4.0])
    >>> round(float(metric.result()), 3)
    0.8

    Source: Pearson (1895); Chan, Golub and LeVeque, "Algorithms for computing the
    sample variance: analysis and recommendations" (1983), on why the textbook
    formula needs the extra digits.
    """

    def __init__(
        self,
        name: str = "pearson",
        dtype: str = "float64",
        column: int | None = None,
    ):
        super().__init__(name=name, dtype=dtype)
        self.column = column
        # One vector: weight, t, y, tt, yy, ty. Sums add up across replicas.
        # Keras makes it float32 unless the type is named.
        self.sums = self.add_variable(
            (6,), initializer="zeros", dtype=self.dtype, name="sums"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; see the class for the arguments."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        shape = y_true.shape
        if self.column is not None:
            y_true, y_pred = y_true[:, self.column], y_pred[:, self.column]
        elif len(shape) == 2 and shape[1] == 2 and y_pred.shape[-1] != 2:
            y_true = y_true[:, :1]  # The second column is the raters' spread.
        t = ops.reshape(ops.cast(y_true, self.dtype), (-1,))
        y = ops.reshape(ops.cast(y_pred, self.dtype), (-1,))
        if sample_weight is None:
            w = ops.ones_like(t)
        else:
            w = ops.reshape(ops.cast(sample_weight, self.dtype), (-1,))
        if self.column is not None:
            rated = ops.logical_not(ops.isnan(t))
            t = ops.where(rated, t, 0.0)
            w = w * ops.cast(rated, w.dtype)
        parts = [ops.ones_like(t), t, y, t * t, y * y, t * y]
        self.sums.assign_add(ops.sum(ops.stack(parts) * w, axis=1))

    def result(self):
        """Returns the correlation so far, a scalar tensor."""
        sums = ops.convert_to_tensor(self.sums)
        # An empty metric is 0 and not 0/0.
        mean = sums / ops.where(sums[0] > 0, sums[0], ops.ones_like(sums[0]))
        var_t = mean[3] - mean[1] * mean[1]
        var_y = mean[4] - mean[2] * mean[2]
        # What is left of a constant's variance is rounding, not spread.
        noise = 64 * np.finfo(keras.backend.standardize_dtype(sums.dtype)).eps
        spread = ops.logical_and(var_t > noise * mean[3], var_y > noise * mean[4])
        one = ops.ones_like(var_t)
        # Roots before the product, which could leave the range of the type.
        scale = ops.sqrt(ops.where(spread, var_t, one)) * ops.sqrt(
            ops.where(spread, var_y, one)
        )
        r = ops.clip((mean[5] - mean[1] * mean[2]) / scale, -1.0, 1.0)
        return ops.where(spread, r, ops.zeros_like(r))

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs."""
        return {"name": self.name, "dtype": self.dtype, "column": self.column}
