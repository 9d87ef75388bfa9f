"""The Transformer block: attention, then a two-layer network, each with a residual."""

from __future__ import annotations

import keras
from keras import ops

from rmkeras.layers.attention import MultiHeadAttention
from rmkeras.layers.fused import WIDE, LayerNorm, gelu, gelu_dense
from rmkeras.layers.lora import LoRADense


@keras.saving.register_keras_serializable(package="rmkeras")
class TransformerBlock(keras.layers.Layer):
    """One Transformer block, encoder (`causal=False`) or decoder (`causal=True`).

    Pre-norm:  h = x + Attention(LN(x));  y = h + W₂ f(W₁ LN(h))
    Post-norm: h = LN(x + Attention(x));  y = LN(h + W₂ f(W₁ h))

    With the same weights it equals `keras_hub.layers.TransformerEncoder` and
    `keras_hub.layers.TransformerDecoder` without cross-attention
    (`load_keras_hub_block` copies them).

    Args:
        num_heads: Number of attention heads.
        intermediate_dim: Width of the inner layer.
        causal: Whether position t sees only positions up to t.
        norm_first: Pre-norm (GPT-2) if true, post-norm (the 2017 paper) if not.
        activation: f: `"gelu"`, `"gelu_approximate"` (its tanh formula), or any
            other that Keras knows by name.
        dropout: Rate after attention, after the inner network and on the
            attention weights.
        epsilon: Layer normalisation's ε.
        kernel_std: Standard deviation that the matrices start with; Glorot's if
            `None`.
        output_std: The same for the two matrices that write into the residual
            stream. GPT-2 takes 0.02 and 0.02/√(2 · blocks): embeddings start at
            0.02 too, and larger blocks would drown the token they are fed.
        norm: `"layer"`, or `"rms"`: x / √(mean(x²) + ε) · γ, without mean and β,
            as Llama has it.
        rotary: Whether attention turns queries and keys by their positions.
        lora_rank: Rank of the trainable additions to the four matrices, which
            then stay as they are; 0 trains the matrices themselves.

    Call arguments:
        x: `(batch, length, dim)`.
        mask, cache, cache_index, positions, layout: As in `MultiHeadAttention`.

    Returns:
        `(batch, length, dim)`; with a cache also the updated cache.

    Example:

    >>> import keras
    >>> from rmkeras.layers import TransformerBlock
    >>> TransformerBlock(2, 16, causal=True)(keras.ops.ones((1, 5, 8))).shape
    TensorShape([1, 5, 8])

    Source: Vaswani et al. (2017), section 3.1; Radford et al. (2019), section 2.3,
    for the norm in front; Zhang and Sennrich (2019), equation 4, for the RMS norm.
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        causal=False,
        norm_first=True,
        activation="gelu",
        dropout=0.0,
        epsilon=1e-5,
        kernel_std=None,
        output_std=None,
        norm="layer",
        rotary=False,
        lora_rank=0,
        name=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.causal = causal
        self.norm_first = norm_first
        self.activation = activation
        self.dropout = dropout
        self.epsilon = epsilon
        self.kernel_std = kernel_std
        self.output_std = output_std
        self.norm = norm
        self.rotary = rotary
        self.lora_rank = lora_rank
        self.supports_masking = True

    def build(self, input_shape):
        """Creates the weights for inputs `(batch, length, dim)`."""
        if self.built:
            return
        dim, policy = input_shape[-1], self.dtype_policy
        self.attention = MultiHeadAttention(
            self.num_heads,
            causal=self.causal,
            dropout=self.dropout,
            kernel_std=self.kernel_std,
            output_std=self.output_std,
            rotary=self.rotary,
            lora_rank=self.lora_rank,
            dtype=policy,
            name="attention",
        )
        self.attention_norm = normalization(
            self.norm, self.epsilon, "attention_norm", policy
        )
        self.inner = LoRADense(
            self.intermediate_dim,
            rank=self.lora_rank,
            kernel_initializer=_normal(self.kernel_std),
            dtype=policy,
            name="inner",
        )
        self.outer = LoRADense(
            dim,
            rank=self.lora_rank,
            kernel_initializer=_normal(self.output_std),
            dtype=policy,
            name="outer",
        )
        self.outer_norm = normalization(self.norm, self.epsilon, "outer_norm", policy)
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, dtype=policy, name="dropout"
        )
        for layer in (self.attention, self.attention_norm, self.inner, self.outer_norm):
            layer.build(input_shape)
        self.outer.build((*input_shape[:-1], self.intermediate_dim))
        self.built = True

    def call(
        self,
        x,
        mask=None,
        cache=None,
        cache_index=None,
        positions=None,
        layout=None,
        training=None,
    ):
        """Applies the block; see the class."""
        h = self.attention_norm(x, training=training) if self.norm_first else x
        h = self.attention(
            h,
            mask=mask,
            cache=cache,
            cache_index=cache_index,
            positions=positions,
            layout=layout,
            training=training,
        )
        if cache is not None:
            h, cache = h
        h = x + self.dropout_layer(h, training=training)  # (B, L, D)
        if not self.norm_first:
            h = self.attention_norm(h, training=training)
        y = self.outer_norm(h, training=training) if self.norm_first else h
        y = self._project(self.inner(y), training)  # (B, L, D)
        y = h + self.dropout_layer(y, training=training)
        if not self.norm_first:
            y = self.outer_norm(y, training=training)
        return y if cache is None else (y, cache)

    def activate(self, x, training=False):
        """Applies f to each entry of `x`, in one pass over memory if `training`."""
        if self._is_gelu:
            fuse = bool(training) and x.shape[-1] >= WIDE
            return gelu(x, self.activation == "gelu_approximate", fuse)
        return keras.activations.get(self.activation)(x)

    @property
    def _is_gelu(self):
        return self.activation in ("gelu", "gelu_approximate")

    def _project(self, x, training):
        """W₂ f(x) + b, `(..., inner)` to `(..., D)`."""
        # A matrix that is not trained itself needs no f(x) for its gradient.
        trained = not self.outer.rank and self.outer.trainable
        if not (training and trained and self._is_gelu and x.shape[-1] >= WIDE):
            return self.outer(self.activate(x, training))
        kernel, bias = (
            ops.cast(w, self.compute_dtype)
            for w in (self.outer.kernel, self.outer.bias)
        )
        return gelu_dense(x, kernel, bias, self.activation == "gelu_approximate")

    def compute_mask(self, inputs, mask=None):
        """Passes the padding mask on."""
        return mask

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def load_keras_hub_block(self, block):
        """Copies the weights of a built KerasHub `TransformerEncoder` or `-Decoder`.

        Args:
            block: A built block with the same widths and number of heads.
        """
        self.attention.load_keras_attention(block._self_attention_layer)
        norm = getattr(block, "_self_attention_layer_norm", None)
        if norm is None:
            norm = block._self_attention_layernorm
        pairs = (
            (self.attention_norm, norm),
            (self.inner, block._feedforward_intermediate_dense),
            (self.outer, block._feedforward_output_dense),
            (
                self.outer_norm,
                getattr(block, "_feedforward_layer_norm", None)
                or block._feedforward_layernorm,
            ),
        )
        for ours, theirs in pairs:
            if isinstance(ours, LoRADense):
                ours.kernel.assign(theirs.kernel)
                ours.bias.assign(theirs.bias)
            else:
                ours.set_weights(theirs.get_weights())

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "causal": self.causal,
            "norm_first": self.norm_first,
            "activation": self.activation,
            "dropout": self.dropout,
            "epsilon": self.epsilon,
            "kernel_std": self.kernel_std,
            "output_std": self.output_std,
            "norm": self.norm,
            "rotary": self.rotary,
            "lora_rank": self.lora_rank,
        }


def normalization(kind, epsilon, name, dtype=None):
    """A layer that normalises the last axis.

    Args:
        kind: `"layer"` or `"rms"`.
        epsilon: ε.
        name: The layer's name.
        dtype: Its dtype policy.

    Returns:
        A `LayerNorm` or a `keras.layers.RMSNormalization`.

    Raises:
        ValueError: If `kind` is neither.

    Example:

    >>> from rmkeras.layers.transformer import normalization
    >>> normalization("rms", 1e-5, "norm").name
    'norm'
    """
    kinds = {"layer": LayerNorm, "rms": keras.layers.RMSNormalization}
    if kind not in kinds:
        raise ValueError(f"norm is {kind!r}; expected 'layer' or 'rms'")
    layer = kinds[kind](epsilon=epsilon, name=name, dtype=dtype)
    layer.supports_masking = True  # It treats each token by itself.
    return layer


def _normal(stddev):
    if stddev is None:
        return "glorot_uniform"
    return keras.initializers.RandomNormal(stddev=stddev)
