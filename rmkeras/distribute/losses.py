"""Losses whose sum over devices is exact: values and weights, not means."""

from __future__ import annotations

from rmkeras.errors import RmkerasError


def mean_loss(loss):
    """Makes a loss for `TrainingLoop` of a Keras loss.

    L = Σ_i w_i ℓ_i / Σ_i w_i over the whole batch, all devices together. A Keras
    loss gives the same on one device; on several, a mean of the devices' means
    would be another number wherever they hold unlike many rows or tokens.

    Args:
        loss: A `keras.losses.Loss` that averages, which most do by default.

    Returns:
        A function of a model and a batch `(x, y)` or `(x, y, sample_weight)`, which
        returns losses `(rows, …)` and weights of the same shape.

    Raises:
        RmkerasError: If the loss does not average.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from rmkeras.distribute import mean_loss
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> values, weights = mean_loss(keras.losses.MeanSquaredError())(
    ...     model, (np.ones((3, 1)), np.zeros((3, 1))))
    >>> values.shape, weights.shape
    (TensorShape([3]), TensorShape([3]))
    """
    import tensorflow as tf

    reduction = getattr(loss, "reduction", None)
    if reduction not in ("sum_over_batch_size", "mean_with_sample_weight", "mean"):
        raise RmkerasError(
            f"the loss {loss!r} has the reduction {reduction!r}; expected a "
            "keras.losses.Loss with sum_over_batch_size, whose mean over all devices "
            "is well defined"
        )

    def values_and_weights(model, batch):
        x, y, sample_weight = (*batch, None)[:3]
        predicted = model(x, training=True)
        values = loss.call(tf.nest.map_structure(tf.convert_to_tensor, y), predicted)
        weights = tf.ones_like(values)
        # What Keras' losses leave out (ignore_class) and what layers mask.
        for masked in (predicted, values):
            mask = getattr(masked, "_keras_mask", None)
            if mask is not None and mask.shape.rank == values.shape.rank:
                weights *= tf.cast(mask, weights.dtype)
        if sample_weight is not None:
            given = _like(tf.cast(sample_weight, values.dtype), values)
            if reduction == "mean_with_sample_weight":
                weights *= given
            else:
                values *= given
        return values, weights

    return values_and_weights


def _like(weights, values):
    """Adds axes of 1 at the end, so that weights of rows fit values of tokens."""
    import tensorflow as tf

    while weights.shape.rank < values.shape.rank:
        weights = weights[..., tf.newaxis]
    return weights
