"""Keras metrics, which are updated batch by batch.

Apart from the other metrics, because this module brings Keras and TensorFlow, and
a page that shows agreement between people needs neither.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


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

    Call arguments:
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


@keras.saving.register_keras_serializable(package="rmkeras")
class PairwiseAccuracy(keras.metrics.Metric):
    r"""Streaming `pairwise_accuracy` of a model that scores both answers at once.

    $$ \frac{\sum_i w_i \left([r_{c,i} > r_{r,i}]
    + \tfrac12 [r_{c,i} = r_{r,i}]\right)}{\sum_i w_i} $$

    The value belongs to all examples since the last reset. A mean of the batches'
    accuracies would give each pair of a short last batch too much weight.

    Args:
        name: The metric's name.
        dtype: Type of the two sums; float32 would stop counting at 2²⁴ pairs.

    Call arguments:
        y_true: `(batch, 2)` as for `BradleyTerry`: its first column is the share
            of raters who preferred the first answer. Where that is below one half
            the second answer is the right one, and pairs that split the raters
            evenly are left out. Anything of another shape is not looked at.
        y_pred: Tensor of shape `(batch, 2)`: the rewards of chosen and rejected.
        sample_weight: Tensor of shape `(batch,)` or `(batch, 1)`, or None.

    Example:

    >>> from rmkeras.metrics import PairwiseAccuracy
    >>> metric = PairwiseAccuracy()
    >>> metric.update_state([0, 0, 0], [[2.0, 1.0], [3.0, 1.0], [1.0, 0.0]])
    >>> metric.update_state([0], [[0.0, 1.0]])
    >>> float(metric.result())
    0.75

    Source: Ouyang et al. (2022), section 3.5.
    """

    def __init__(self, name: str = "pairwise_accuracy", dtype: str = "float64"):
        super().__init__(name=name, dtype=dtype)
        # One vector: weight, weighted outcomes. Sums add up across replicas.
        self.sums = self.add_variable(
            (2,), initializer="zeros", dtype=self.dtype, name="sums"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; see the class for the arguments."""
        rewards = ops.convert_to_tensor(y_pred)
        if len(rewards.shape) != 2 or rewards.shape[1] not in (2, None):
            raise ValueError(
                "PairwiseAccuracy needs predictions of shape (batch, 2), chosen and "
                f"rejected; got {tuple(rewards.shape)}"
            )
        sign = ops.cast(ops.sign(rewards[:, 0] - rewards[:, 1]), self.dtype)  # (B,)
        w = ops.ones_like(sign)
        targets = ops.convert_to_tensor(y_true)
        if len(targets.shape) == 2 and targets.shape[1] == 2:
            better = ops.sign(ops.cast(targets[:, 0], self.dtype) - 0.5)
            sign, w = sign * better, ops.abs(better)
        x = 0.5 + 0.5 * sign
        if sample_weight is not None:
            w = w * ops.reshape(ops.cast(sample_weight, self.dtype), (-1,))
        self.sums.assign_add(ops.stack([ops.sum(w), ops.sum(w * x)]))

    def result(self):
        """Returns the accuracy so far, a scalar tensor; 0 before any pair."""
        return ops.divide_no_nan(self.sums[1], self.sums[0])

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` needs."""
        return {"name": self.name, "dtype": self.dtype}
