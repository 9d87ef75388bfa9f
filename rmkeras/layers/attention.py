"""Scaled dot-product attention and its multi-head layer."""

from __future__ import annotations

import math

import keras
from keras import ops

from rmkeras.layers import fused
from rmkeras.layers.lora import LoRADense
from rmkeras.layers.rotary import rotate
from rmkeras.layers.unpadding import remove_padding, restore_padding


def scaled_dot_product_attention(query, key, value, mask=None):
    """Mixes the values by how well their keys answer each query.

    Attention(Q, K, V) = softmax(Q Kᵀ / √d + M) V

    The softmax runs over the keys, so that each query's weights add up to 1. M
    is 0 where `mask` is true and very negative elsewhere. Dividing by √d keeps
    the logits at unit variance when the entries of Q and K have it.

    Args:
        query: `(batch, heads, queries, d)`.
        key: `(batch, heads, keys, d)`.
        value: `(batch, heads, keys, d_value)`.
        mask: Booleans that broadcast to `(batch, heads, queries, keys)`, true
            where a query may look. A query that may look nowhere gets the plain
            mean of the values, never a NaN.

    Returns:
        A pair: the mixed values `(batch, heads, queries, d_value)` and the
        weights `(batch, heads, queries, keys)`.

    Example:

    >>> from keras import ops
    >>> from rmkeras.layers import scaled_dot_product_attention
    >>> x = ops.ones((1, 1, 3, 4))
    >>> mixed, weights = scaled_dot_product_attention(x, x, x)
    >>> [round(float(w), 4) for w in weights[0, 0, 0]]
    [0.3333, 0.3333, 0.3333]

    Source: Vaswani et al. (2017), "Attention Is All You Need", equation 1.
    """
    scale = 1.0 / math.sqrt(query.shape[-1])
    logits = ops.matmul(query * scale, ops.swapaxes(key, -1, -2))  # (B, H, Q, K)
    # Half precision cannot hold -1e9, and a softmax in it loses small weights.
    logits = ops.cast(logits, "float32")
    if mask is not None:
        logits = ops.where(mask, logits, -1e9)
    weights = ops.cast(ops.softmax(logits, axis=-1), value.dtype)
    return ops.matmul(weights, value), weights  # (B, H, Q, Dv), (B, H, Q, K)


@keras.saving.register_keras_serializable(package="rmkeras")
class MultiHeadAttention(keras.layers.Layer):
    """Multi-head self-attention with an optional causal mask and key/value cache.

    head_i = Attention(x W_iQ, x W_iK, x W_iV);  output = [head_1 … head_h] W_O

    The three projections are one matrix product, which is what two cores like
    best. With the same weights the layer equals `keras.layers.MultiHeadAttention`
    (`load_keras_attention` copies them).

    Args:
        num_heads: Number of heads h.
        key_dim: Width of one head; the model's width divided by h if `None`.
        causal: Whether position t sees only positions up to t.
        dropout: Rate at which attention weights are dropped in training.
        kernel_std: Standard deviation that the query, key and value matrices
            start with; Glorot's, √(2 / (dim + heads · key_dim)), if `None`.
        output_std: The same for the output matrix.
        rotary: Whether queries and keys are turned by their positions; see
            `rotate`.
        lora_rank: Rank of the trainable addition to frozen matrices; 0 trains
            the matrices themselves.

    Call arguments:
        x: `(batch, length, dim)`.
        mask: Booleans `(batch, length)`, true for real tokens; with a cache
            `(batch, cache_length)`. Or, without a cache, ints: the number of the
            document that each token of a packed row belongs to, 0 for padding;
            then no token sees another document.
        cache: `None`, or `(keys, values)`, both `(batch, heads, cache_length,
            key_dim)`.
        cache_index: Position in the cache of the first row of `x`.
        positions: `(batch, length)` ints, for rotary attention.
        layout: A `TokenLayout`; then `x` is `(tokens, dim)` without padding, and
            so is the output.

    Returns:
        `(batch, length, dim)`; with a cache also the updated cache.

    Example:

    >>> import keras
    >>> from rmkeras.layers import MultiHeadAttention
    >>> layer = MultiHeadAttention(num_heads=2, causal=True)
    >>> layer(keras.ops.ones((1, 5, 8))).shape
    TensorShape([1, 5, 8])

    Source: Vaswani et al. (2017), section 3.2.2.
    """

    def __init__(
        self,
        num_heads,
        key_dim=None,
        causal=False,
        dropout=0.0,
        kernel_std=None,
        output_std=None,
        rotary=False,
        lora_rank=0,
        name=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.causal = causal
        self.dropout = dropout
        self.kernel_std = kernel_std
        self.output_std = output_std
        self.rotary = rotary
        self.lora_rank = lora_rank
        self.supports_masking = True

    def build(self, input_shape):
        """Creates the weights for inputs `(batch, length, dim)`."""
        if self.built:
            return
        dim = input_shape[-1]
        if self.key_dim is None:
            if dim % self.num_heads:
                raise ValueError(
                    f"the width {dim} is not divisible by {self.num_heads} heads; "
                    "choose another number of heads or give key_dim"
                )
            self._head = dim // self.num_heads
        else:
            self._head = self.key_dim
        inner = self.num_heads * self._head
        # Glorot's fan-out is that of one projection, not of all three.
        glorot = math.sqrt(2.0 / (dim + inner))
        self.qkv = LoRADense(
            3 * inner,
            rank=self.lora_rank,
            kernel_initializer=keras.initializers.RandomNormal(
                stddev=self.kernel_std or glorot
            ),
            dtype=self.dtype_policy,
            name="qkv",
        )
        self.qkv.build(input_shape)
        self.output_dense = LoRADense(
            dim,
            rank=self.lora_rank,
            kernel_initializer=keras.initializers.RandomNormal(
                stddev=self.output_std or glorot
            ),
            dtype=self.dtype_policy,
            name="output",
        )
        self.output_dense.build((*input_shape[:-1], inner))
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, dtype=self.dtype_policy, name="dropout"
        )
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
        """Attends; see the class."""
        # Split, not sliced: a slice's gradient is as large as all three together.
        parts = ops.split(self.qkv(x), 3, axis=-1)  # 3 × (B, L, H·D) or (N, H·D)
        if layout is not None:
            mask = layout.mask
            parts = [restore_padding(part, layout) for part in parts]  # (B, L, H·D)
        batch, length = ops.shape(parts[0])[0], ops.shape(parts[0])[1]
        heads = (batch, length, self.num_heads, self._head)
        parts = [ops.reshape(part, heads) for part in parts]  # (B, L, H, D)
        if self.rotary:
            if positions is None:
                positions = ops.arange(length)[None]
            parts[:2] = [rotate(part, positions) for part in parts[:2]]
        wide = self.num_heads * self._head >= fused.WIDE
        if cache is not None:
            mixed, cache = self._attend_cached(parts, mask, cache, cache_index)
        elif training and wide and not self.dropout:
            mixed = fused.attention(*parts, mask, self.causal)  # (B, L, H, D)
        else:
            mixed = self._attend(parts, mask, training)
        mixed = ops.reshape(mixed, (batch, length, self.num_heads * self._head))
        if layout is not None:
            mixed = remove_padding(mixed, layout)  # (N, H·D)
        y = self.output_dense(mixed)
        return y if cache is None else (y, cache)

    def _attend(self, parts, mask, training):
        query, key, value = (ops.transpose(part, (0, 2, 1, 3)) for part in parts)
        allowed = fused.allowed_keys(mask, ops.shape(query)[2], self.causal)
        mixed, weights = scaled_dot_product_attention(query, key, value, allowed)
        if self.dropout:
            # Dropout acts on the weights, so the product is taken again.
            weights = self.dropout_layer(weights, training=training)
            mixed = ops.matmul(weights, value)
        return ops.transpose(mixed, (0, 2, 1, 3))  # (B, L, H, D)

    def _attend_cached(self, parts, mask, cache, start):
        query, key, value = (ops.transpose(p, (0, 2, 1, 3)) for p in parts)
        keys = ops.slice_update(cache[0], (0, 0, start, 0), key)  # (B, H, K, D)
        values = ops.slice_update(cache[1], (0, 0, start, 0), value)
        query = query / math.sqrt(self._head)  # (B, H, L, D)
        logits = ops.matmul(query, ops.swapaxes(keys, -1, -2))  # (B, H, L, K)
        logits = ops.cast(logits, "float32")
        # Places that are not filled yet lie in every query's future.
        place = ops.arange(ops.shape(keys)[2])
        turn = start + ops.arange(ops.shape(query)[2])
        allowed = (place[None, :] <= turn[:, None])[None]  # (1, L, K)
        if mask is not None:
            allowed = ops.logical_and(allowed, ops.cast(mask, "bool")[:, None, :])
        logits = logits + ops.where(allowed, 0.0, -1e9)[:, None]
        weights = ops.cast(ops.softmax(logits, axis=-1), values.dtype)
        mixed = ops.transpose(ops.matmul(weights, values), (0, 2, 1, 3))
        return mixed, (keys, values)  # (B, L, H, D)

    def compute_mask(self, inputs, mask=None):
        """Passes the padding mask on."""
        return mask

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return input_shape

    def load_keras_attention(self, layer):
        """Copies the weights of a built `keras.layers.MultiHeadAttention`.

        Args:
            layer: A layer with the same number of heads and the same key and
                value width, called with the same tensor as query and value.
        """
        dim = layer._query_dense.kernel.shape[0]
        kernels, biases = [], []
        for dense in (layer._query_dense, layer._key_dense, layer._value_dense):
            kernels.append(ops.reshape(dense.kernel, (dim, -1)))
            biases.append(ops.reshape(dense.bias, (-1,)))
        self.qkv.kernel.assign(ops.concatenate(kernels, axis=-1))
        self.qkv.bias.assign(ops.concatenate(biases, axis=-1))
        self.output_dense.kernel.assign(
            ops.reshape(layer._output_dense.kernel, (-1, dim))
        )
        self.output_dense.bias.assign(layer._output_dense.bias)

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "causal": self.causal,
            "dropout": self.dropout,
            "kernel_std": self.kernel_std,
            "output_std": self.output_std,
            "rotary": self.rotary,
            "lora_rank": self.lora_rank,
        }
