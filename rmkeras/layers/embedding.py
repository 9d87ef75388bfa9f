"""Embeddings of tokens and positions, and dropout of whole tokens."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="rmkeras")
class TokenAndPositionEmbedding(keras.layers.Layer):
    """Adds a learned vector for the token and one for its position.

    Positions count real tokens only: the first real token has position 0,
    wherever padding stands, so that left and right padding give the same result.

    Args:
        vocabulary_size: Number of token ids.
        max_length: Number of positions; 0 for no vectors of positions, where
            attention itself turns by them.
        dim: Width of the vectors.

    Call arguments:
        ids: `(batch, length)` ints.
        positions: `(batch, length)` ints; as `token_positions` counts them if
            not given.

    Returns:
        `(batch, length, dim)`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.layers import TokenAndPositionEmbedding
    >>> TokenAndPositionEmbedding(10, 8, 4)(np.array([[1, 2, 0]])).shape
    TensorShape([1, 3, 4])

    Source: Radford et al. (2018), "Improving Language Understanding by Generative
    Pre-Training", equation 2.
    """

    def __init__(self, vocabulary_size, max_length, dim, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.max_length = max_length
        self.dim = dim

    def build(self, input_shape=None):
        """Creates the two tables, once."""
        if self.built:
            return
        initializer = keras.initializers.RandomNormal(stddev=0.02)
        self.token = self.add_weight(
            shape=(self.vocabulary_size, self.dim),
            initializer=initializer,
            name="token",
        )
        if self.max_length:
            self.position = self.add_weight(
                shape=(self.max_length, self.dim),
                initializer=initializer,
                name="position",
            )
        self.built = True

    def call(self, ids, positions=None):
        """Looks both vectors up and adds them."""
        x = ops.take(self.token, ids, axis=0)  # (B, L, D)
        if self.max_length:
            if positions is None:
                positions = token_positions(ops.not_equal(ids, 0))
            x = x + ops.take(self.position, positions, axis=0)
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape, **kwargs):
        """Returns `(batch, length, dim)`."""
        return (*input_shape, self.dim)

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "max_length": self.max_length,
            "dim": self.dim,
        }


def token_positions(mask):
    """Counts the real tokens before each position: 0 for the first real one.

    Args:
        mask: Booleans `(batch, length)`, true for real tokens.

    Returns:
        `(batch, length)` int32; padding gets the position of its neighbour, which
        nobody looks at.
    """
    counts = ops.cumsum(ops.cast(mask, "int32"), axis=1)
    return ops.maximum(counts - 1, 0)


@keras.saving.register_keras_serializable(package="rmkeras")
class TokenDropout(keras.layers.Layer):
    """Replaces random tokens by a stand-in id while training.

    A small corpus tempts a model to learn single rare words by heart. Hiding
    some of them in each pass makes it use the rest of the sentence.

    Args:
        rate: Share of real tokens that are replaced.
        token_id: The id put in their place.
        seed: Seed of the generator, which is saved with the model.

    Call arguments:
        ids: `(batch, length)` ints; padding (0) stays.

    Returns:
        `(batch, length)` ints.

    Example:

    >>> import numpy as np
    >>> from rmkeras.layers import TokenDropout
    >>> TokenDropout(0.9, token_id=1)(np.array([[5, 6, 0]])).numpy().tolist()
    [[5, 6, 0]]

    Source: Iyyer et al. (2015), "Deep Unordered Composition Rivals Syntactic
    Methods for Text Classification", section 3.2.
    """

    def __init__(self, rate, token_id=1, seed=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.rate = rate
        self.token_id = token_id
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, ids, training=None):
        """Replaces tokens if `training`, else returns `ids`."""
        if not training or not self.rate:
            return ids
        draw = keras.random.uniform(ops.shape(ids), seed=self.seed_generator)
        hide = ops.logical_and(draw < self.rate, ops.not_equal(ids, 0))
        return ops.where(hide, ops.cast(self.token_id, ids.dtype), ids)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "token_id": self.token_id,
            "seed": self.seed,
        }
