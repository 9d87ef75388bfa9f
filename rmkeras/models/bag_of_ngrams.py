"""A reward model that only counts words and pairs of words."""

from __future__ import annotations

import keras
from keras import ops

from rmkeras.layers.pooling import MeanPooling
from rmkeras.models.reward_model import RewardModel


@keras.saving.register_keras_serializable(package="rmkeras")
class NgramEncoder(keras.layers.Layer):
    """A vector for each token, plus one for each pair of neighbours.

    h_t = E[x_t] + B[hash(x_{t−1}, x_t)]

    There are far more pairs than rows in B. Which row a pair gets is decided by a
    hash; a few pairs share one, and it hurts little, because most are rare. All rows
    begin at zero: what was never seen in training says nothing.

    Args:
        vocabulary_size: Number of token ids.
        dim: Width of the vectors.
        buckets: Rows of B.

    Call arguments:
        ids: `(batch, length)` ints, 0 is padding on either side.

    Returns:
        `(batch, length, dim)`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.models import NgramEncoder
    >>> NgramEncoder(50, dim=8)(np.array([[5, 6, 0]])).shape
    TensorShape([1, 3, 8])

    Source: Joulin et al. (2016), "Bag of Tricks for Efficient Text Classification",
    sections 2 and 2.2.
    """

    def __init__(self, vocabulary_size, dim=16, buckets=2**17, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.dim = dim
        self.buckets = buckets
        self.supports_masking = True

    def build(self, input_shape=None):
        """Creates both tables, one above the other."""
        if self.built:
            return
        self.table = self.add_weight(
            shape=(self.vocabulary_size + self.buckets, self.dim),
            initializer="zeros",
            name="table",
        )
        self.built = True

    def call(self, ids, training=None):
        """Encodes; see the class."""
        before = ops.pad(ids[:, :-1], [[0, 0], [1, 0]])  # (B, L): left neighbours
        # What overflows turns negative, and the rest of the division does not.
        row = self.vocabulary_size + ops.mod(before * 31_337 + ids, self.buckets)
        table = ops.cast(self.table, self.compute_dtype)
        pair = ops.take(table, row, axis=0)  # (B, L, D)
        # Padding is nobody's neighbour, whichever side it stands on.
        paired = ops.cast(ops.logical_and(before != 0, ids != 0), pair.dtype)
        return ops.take(table, ids, axis=0) + pair * paired[..., None]

    def compute_output_shape(self, input_shape):
        """Returns `(batch, length, dim)`."""
        return (*input_shape, self.dim)

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "dim": self.dim,
            "buckets": self.buckets,
        }


def ngram_reward_model(tokenizer, dim=16, buckets=2**17, dropout=0.0, **kwargs):
    """Builds a reward model on the mean of the vectors of words and pairs.

    It is linear in the counts: nothing between a word and the reward depends on the
    other words. It learns in seconds, is hard to beat on a few thousand records, and
    makes other mistakes than a network that reads, so that an ensemble of the two
    (`--model minilm,ngrams`) is often ahead of both.

    Args:
        tokenizer: A `SubwordTokenizer` or `PretrainedTokenizer`.
        dim, buckets: See `NgramEncoder`.
        dropout: Rate before the reward head.
        **kwargs: Passed to `RewardModel`.

    Returns:
        A built `RewardModel`.

    Example:

    >>> from rmkeras.models import ngram_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> ngram_reward_model(tokenizer).score(["a good film", "a bad film"]).tolist()
    [0.0, 0.0]

    Source: Joulin et al. (2016), "Bag of Tricks for Efficient Text Classification".
    """
    encoder = NgramEncoder(tokenizer.vocabulary_size, dim, buckets, name="encoder")
    model = RewardModel(tokenizer, encoder, MeanPooling(), dropout=dropout, **kwargs)
    model.build()
    return model
