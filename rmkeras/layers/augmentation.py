"""Text augmentation on token ids, in training only."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="rmkeras")
class TokenSwap(keras.layers.Layer):
    """Swaps neighbouring tokens at random.

    A text with two words changed over mostly keeps its rating, and a model that
    has seen it both ways relies less on exact phrases. The last real token, which
    is end-of-text, stays, and so does padding. Word dropout is `TokenDropout`;
    on strings, before tokenising, KerasHub's `RandomSwap` and `RandomDeletion`
    do the same.

    Args:
        rate: Chance that a token changes places with the next one.
        seed: Decides the draws.
        keep: How many tokens at the beginning stay, such as BERT's `[CLS]`.

    Call arguments:
        ids: `(batch, length)` ints, 0 is padding.
        training: Whether to swap at all.

    Returns:
        `(batch, length)` ints: the same tokens in each row.

    Example:

    >>> import numpy as np
    >>> from rmkeras.layers import TokenSwap
    >>> ids = np.array([[5, 6, 7, 1, 0]])
    >>> np.array(TokenSwap(1.0)(ids, training=True)).tolist()
    [[6, 5, 7, 1, 0]]

    Source: Wei and Zou (2019), "EDA: Easy Data Augmentation Techniques", section 2.
    """

    def __init__(self, rate=0.1, seed=None, keep=0, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"rate is {rate}; expected 0 to 1")
        self.rate = rate
        self.seed = seed
        self.keep = keep
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, ids, training=None):
        """Swaps; see the class."""
        if not training or not self.rate:
            return ids
        length = ops.shape(ids)[1]
        place = ops.arange(length)[None, :]  # (1, L)
        draw = keras.random.uniform(ops.shape(ids), seed=self.generator) < self.rate
        real = ops.not_equal(ids, 0)
        # Pairs (0, 1), (2, 3), …: no token takes part in two swaps. Both of a
        # pair have to be real, and neither may be the last real one.
        last = ops.max(ops.where(real, place, -1), axis=1, keepdims=True)  # (B, 1)
        free = ops.logical_and(real, place < last)
        if self.keep:
            free = ops.logical_and(
                free, ops.cumsum(ops.cast(real, "int32"), axis=1) > self.keep
            )
        after = ops.roll(free, -1, axis=1)
        first = ops.logical_and(ops.logical_and(draw, free), after)
        first = ops.logical_and(
            first, ops.logical_and(place % 2 == 0, place < length - 1)
        )
        second = ops.logical_and(ops.roll(first, 1, axis=1), place > 0)
        swapped = ops.where(first, ops.roll(ids, -1, axis=1), ids)
        return ops.where(second, ops.roll(ids, 1, axis=1), swapped)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "seed": self.seed,
            "keep": self.keep,
        }
