"""Encoders: token ids in, one vector a token out. Reward and language models share them."""

from __future__ import annotations

import math

import keras
from keras import ops

from rmkeras.layers.embedding import (
    TokenAndPositionEmbedding,
    TokenDropout,
    token_positions,
)
from rmkeras.layers.one_token import (
    decoding_dtype,
    norm_weights,
    normalize,
    one_token,
    one_token_weights,
)
from rmkeras.layers.transformer import TransformerBlock, normalization
from rmkeras.text.tokenizer import END_ID


@keras.saving.register_keras_serializable(package="rmkeras")
class LSTMEncoder(keras.layers.Layer):
    """Embedding, dropout and an LSTM that reads the text in one or both directions.

    Args:
        vocabulary_size: Number of token ids.
        dim: Width of the embedding.
        units: Width of the LSTM's state in each direction.
        bidirectional: Whether a second LSTM reads from the end.
        token_dropout: Share of tokens hidden while training.
        dropout: Share of embedding channels dropped for a whole text at a time.

    Call arguments:
        ids: `(batch, length)` ints, 0 is padding on either side.

    Returns:
        `(batch, length, units)`, or twice as wide if bidirectional.

    Example:

    >>> import numpy as np
    >>> from rmkeras.models import LSTMEncoder
    >>> LSTMEncoder(50, dim=8, units=4)(np.array([[5, 6, 0]])).shape
    TensorShape([1, 3, 8])

    Source: Hochreiter and Schmidhuber (1997); Graves and Schmidhuber (2005) for
    both directions.
    """

    def __init__(
        self,
        vocabulary_size,
        dim=128,
        units=128,
        bidirectional=True,
        token_dropout=0.0,
        dropout=0.0,
        name=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.dim = dim
        self.units = units
        self.bidirectional = bidirectional
        self.token_dropout = token_dropout
        self.dropout = dropout
        self.supports_masking = True
        self.hide = TokenDropout(token_dropout, token_id=END_ID)
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.05),
            name="embedding",
        )
        self.channel_dropout = keras.layers.SpatialDropout1D(dropout)
        self.lstm = keras.layers.LSTM(units, return_sequences=True, name="lstm")
        if bidirectional:
            self.lstm = keras.layers.Bidirectional(self.lstm, name="both")

    def build(self, input_shape=None):
        """Creates the weights for ids `(batch, length)`, once."""
        if self.built:
            return
        self.embedding.build(input_shape)
        self.lstm.build((None, None, self.dim))
        self.built = True

    def call(self, ids, training=None):
        """Encodes; see the class."""
        mask = ops.not_equal(ids, 0)
        x = self.embedding(self.hide(ids, training=training))  # (B, L, D)
        x = self.channel_dropout(x, training=training)
        return self.lstm(x, mask=mask, training=training)  # (B, L, U)

    def compute_output_shape(self, input_shape):
        """Returns `(batch, length, units)`."""
        return (*input_shape, self.units * (2 if self.bidirectional else 1))

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "dim": self.dim,
            "units": self.units,
            "bidirectional": self.bidirectional,
            "token_dropout": self.token_dropout,
            "dropout": self.dropout,
        }


@keras.saving.register_keras_serializable(package="rmkeras")
class TransformerEncoder(keras.layers.Layer):
    """Token and position embeddings, Transformer blocks and a last normalisation.

    With `causal=True` it is the body of a GPT, and of `CausalLM`; a reward model
    built on the same settings can start from the language model's weights.

    Args:
        vocabulary_size: Number of token ids.
        max_length: Longest sequence.
        dim: Width of the model.
        num_layers: Number of blocks.
        num_heads: Attention heads in each.
        intermediate_dim: Inner width of a block; 4 · dim if `None`.
        causal: Whether position t sees only positions up to t.
        token_dropout: Share of tokens hidden while training.
        dropout: Rate on the embeddings and inside the blocks.
        positions: `"learned"`, a vector for each position, as in GPT-2; or
            `"rotary"`, as in Llama, see `rotate`.
        norm: `"layer"` or `"rms"`.
        activation: Of the blocks; see `TransformerBlock`.

    Call arguments:
        ids: `(batch, length)` ints, 0 is padding on either side.
        mask: Booleans or document numbers, see `MultiHeadAttention`; by default
            true where `ids` is not 0.
        positions, caches, cache_index: For packed rows, and for sampling with a
            key/value cache; see `CausalLM.decode`.

    Returns:
        `(batch, length, dim)`; with caches also the updated caches.

    Example:

    >>> import numpy as np
    >>> from rmkeras.models import TransformerEncoder
    >>> layer = TransformerEncoder(50, max_length=8, dim=8, num_layers=1, num_heads=2)
    >>> layer(np.array([[5, 6, 0]])).shape
    TensorShape([1, 3, 8])

    Source: Vaswani et al. (2017); Radford et al. (2019) for the pre-norm layout.
    """

    def __init__(
        self,
        vocabulary_size,
        max_length=128,
        dim=128,
        num_layers=2,
        num_heads=4,
        intermediate_dim=None,
        causal=False,
        token_dropout=0.0,
        dropout=0.0,
        positions="learned",
        norm="layer",
        activation="gelu",
        name=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.max_length = max_length
        self.dim = dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim or 4 * dim
        self.causal = causal
        self.token_dropout = token_dropout
        self.dropout = dropout
        if positions not in ("learned", "rotary"):
            raise ValueError(
                f"positions is {positions!r}; expected 'learned' or 'rotary'"
            )
        self.positions = positions
        self.norm_kind = norm
        self.activation = activation
        self.supports_masking = True
        self.hide = TokenDropout(token_dropout, token_id=END_ID)
        self.embedding = TokenAndPositionEmbedding(
            vocabulary_size,
            max_length if positions == "learned" else 0,
            dim,
            name="embedding",
        )
        self.embedding_dropout = keras.layers.Dropout(dropout)
        self.blocks = [
            TransformerBlock(
                num_heads,
                self.intermediate_dim,
                causal=causal,
                dropout=dropout,
                kernel_std=0.02,
                output_std=0.02 / math.sqrt(2 * num_layers),
                activation=activation,
                norm=norm,
                rotary=positions == "rotary",
                name=f"block_{i}",
            )
            for i in range(num_layers)
        ]
        self.norm = normalization(norm, 1e-5, "norm")

    def build(self, input_shape=None):
        """Creates the weights for ids `(batch, length)`, once."""
        if self.built:
            return
        self.embedding.build(input_shape)
        for block in self.blocks:
            block.build((None, None, self.dim))
        self.norm.build((None, None, self.dim))
        self.built = True

    def call(
        self,
        ids,
        mask=None,
        positions=None,
        caches=None,
        cache_index=None,
        training=None,
    ):
        """Encodes; see the class."""
        if mask is None:
            mask = ops.not_equal(ids, 0)
        if positions is None:
            positions = token_positions(mask)
        ids = self.hide(ids, training=training)
        x = self.embedding(ids, positions)  # (B, L, D)
        x = self.embedding_dropout(x, training=training)
        if caches is None:
            for block in self.blocks:
                x = block(x, mask=mask, positions=positions, training=training)
            return self.norm(x)
        updated = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block(
                x,
                mask=mask,
                cache=cache,
                cache_index=cache_index,
                positions=positions,
                training=training,
            )
            updated.append(cache)
        # Keras turns what a layer is given, caches too, into the layer's type.
        dtype = decoding_dtype(self.compute_dtype)
        updated = [tuple(ops.cast(part, dtype) for part in cache) for cache in updated]
        return self.norm(x), updated

    def empty_caches(self, batch, length):
        """Returns zeros for each block's keys and values; see `MultiHeadAttention`."""
        shape = (batch, self.num_heads, length, self.dim // self.num_heads)
        empty = ops.zeros(shape, decoding_dtype(self.compute_dtype))
        return [(empty, empty) for _ in self.blocks]

    def one_token_weights(self):
        """Returns the weights as `one_token` reads them, those of each block first."""
        weights = [one_token_weights(block) for block in self.blocks]
        return weights, norm_weights(self.norm)

    def one_token(self, weights, ids, mask, positions, caches, cache_index):
        """Encodes one new token of each text.

        Args:
            weights: What `one_token_weights` returned.
            ids: `(batch,)`.
            mask: `(batch, cache_length)` booleans, true for real tokens.
            positions: `(batch,)` ints.
            caches: As `empty_caches` returns them.
            cache_index: Place in the caches of the new tokens.

        Returns:
            `(dim, batch)`, a column a text, and the updated caches.
        """
        blocks, norm = weights
        x = ops.transpose(self.embedding(ids[:, None], positions[:, None])[:, 0])
        x = ops.cast(x, decoding_dtype(self.compute_dtype))  # (D, B)
        # Places that are not filled yet lie in the future.
        past = ops.arange(ops.shape(mask)[1]) <= cache_index
        allowed = ops.logical_and(mask, past)  # (B, K)
        updated = []
        for block, block_weights, cache in zip(
            self.blocks, blocks, caches, strict=True
        ):
            x, cache = one_token(
                block, block_weights, x, allowed, positions, cache, cache_index
            )
            updated.append(cache)
        return normalize(x, norm, self.norm.epsilon), updated  # (D, B)

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
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "causal": self.causal,
            "token_dropout": self.token_dropout,
            "dropout": self.dropout,
            "positions": self.positions,
            "norm": self.norm_kind,
            "activation": self.activation,
        }
