"""BERT's encoder, computed without padding, for weights trained elsewhere."""

from __future__ import annotations

import keras
from keras import ops

from rmkeras.layers.embedding import token_positions
from rmkeras.layers.fused import LayerNorm
from rmkeras.layers.lora import freeze_all_but_lora
from rmkeras.layers.transformer import TransformerBlock
from rmkeras.layers.unpadding import restore_padding, token_layout

FILL = 128
"""Numbers of tokens are filled up to multiples of this: 1.5 % more work on 2,000."""


@keras.saving.register_keras_serializable(package="rmkeras")
class BertEncoder(keras.layers.Layer):
    """BERT's encoder: embeddings, normalisation, post-norm Transformer blocks.

    With the same weights it equals KerasHub's `BertBackbone`
    (`load_keras_hub_backbone` copies them). Unlike that one it computes on real
    tokens only, except inside attention: a batch of texts of all lengths costs
    what its tokens cost.

    Args:
        vocabulary_size: Number of token ids; 0 is padding.
        max_length: Longest sequence.
        dim: Width of the model.
        num_layers: Number of blocks.
        num_heads: Attention heads in each.
        intermediate_dim: Inner width of a block.
        num_segments: Kinds of segments; every text here is of kind 0.
        activation: `"gelu"` as published, or `"gelu_approximate"`, as KerasHub
            computes it.
        dropout: Rate on embeddings and inside blocks.
        lora_rank: Rank of the trainable additions to the blocks' matrices; all
            else is frozen then. 0 trains everything.
        unpad: Whether padding is taken out. Turn it off for XLA, which wants
            fixed shapes.

    Call arguments:
        ids: `(batch, length)` ints, 0 is padding on either side.

    Returns:
        `(batch, length, dim)`; what stands at padding means nothing.

    Example:

    >>> import numpy as np
    >>> from rmkeras.models import BertEncoder
    >>> layer = BertEncoder(50, 8, dim=8, num_layers=1, num_heads=2)
    >>> layer(np.array([[5, 6, 0]])).shape
    TensorShape([1, 3, 8])

    Source: Devlin et al. (2019), section 3; Zeng et al. (2022) for unpadding.
    """

    def __init__(
        self,
        vocabulary_size,
        max_length=512,
        dim=384,
        num_layers=6,
        num_heads=12,
        intermediate_dim=None,
        num_segments=2,
        activation="gelu",
        dropout=0.0,
        lora_rank=0,
        unpad=True,
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
        self.num_segments = num_segments
        self.activation = activation
        self.dropout = dropout
        self.lora_rank = lora_rank
        self.unpad = unpad
        self.supports_masking = True
        policy = self.dtype_policy

        def embedding(size, name):
            return keras.layers.Embedding(
                size,
                dim,
                embeddings_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
                # In half precision the whole table would be rounded at each step,
                # and the gradients of a frequent word added up in a few digits.
                dtype="float32",
                name=name,
            )

        self.words = embedding(vocabulary_size, "words")
        self.positions = embedding(max_length, "positions")
        self.segments = embedding(num_segments, "segments")
        self.norm = LayerNorm(epsilon=1e-12, dtype=policy, name="norm")
        self.embedding_dropout = keras.layers.Dropout(dropout, dtype=policy)
        self.blocks = [
            TransformerBlock(
                num_heads,
                self.intermediate_dim,
                norm_first=False,
                activation=activation,
                dropout=dropout,
                epsilon=1e-12,
                kernel_std=0.02,
                output_std=0.02,
                lora_rank=lora_rank,
                dtype=policy,
                name=f"block_{i}",
            )
            for i in range(num_layers)
        ]

    def build(self, input_shape=None):
        """Creates the weights for ids `(batch, length)`, once."""
        if self.built:
            return
        for layer in (self.words, self.positions, self.segments):
            layer.build((None, None))
        for layer in (self.norm, *self.blocks):
            layer.build((None, None, self.dim))
        if self.lora_rank:
            freeze_all_but_lora(self)
        self.built = True

    def call(self, ids, training=None):
        """Encodes; see the class."""
        mask = ops.not_equal(ids, 0)  # (B, L)
        positions = token_positions(mask)
        layout = None
        if self.unpad:
            layout = token_layout(mask, FILL)
            ids = ops.take(ops.reshape(ids, (-1,)), layout.index)  # (N,)
            positions = ops.take(ops.reshape(positions, (-1,)), layout.index)
        x = self.words(ids) + self.positions(positions)  # (N, D) or (B, L, D)
        x = x + self.segments(ops.zeros((), "int32"))
        x = self.embedding_dropout(self.norm(x, training=training), training=training)
        for block in self.blocks:
            if layout is None:
                x = block(x, mask=mask, training=training)
            else:
                x = block(x, layout=layout, training=training)
        return x if layout is None else restore_padding(x, layout)  # (B, L, D)

    def compute_output_shape(self, input_shape):
        """Returns `(batch, length, dim)`."""
        return (*input_shape, self.dim)

    def load_keras_hub_backbone(self, backbone):
        """Copies the weights of a `keras_hub.models.BertBackbone`.

        Args:
            backbone: A backbone with the same widths.
        """
        self.build()
        layers = {
            self.words: "token_embedding",
            self.positions: "position_embedding",
            self.segments: "segment_embedding",
            self.norm: "embeddings_layer_norm",
        }
        for ours, name in layers.items():
            # KerasHub's reversible embedding may hold the transposed matrix too.
            theirs = backbone.get_layer(name).get_weights()[: len(ours.weights)]
            ours.set_weights(theirs)
        for i, block in enumerate(self.blocks):
            block.load_keras_hub_block(backbone.get_layer(f"transformer_layer_{i}"))

    def get_config(self):
        """Returns what rebuilds the layer."""
        names = (
            "vocabulary_size",
            "max_length",
            "dim",
            "num_layers",
            "num_heads",
            "intermediate_dim",
            "num_segments",
            "activation",
            "dropout",
            "lora_rank",
            "unpad",
        )
        return {**super().get_config(), **{n: getattr(self, n) for n in names}}
