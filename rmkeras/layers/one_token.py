"""A Transformer block for one new token a text, with the texts side by side.

While sampling, each turn multiplies one vector a text by every weight. On a processor
the product W x of a matrix that lies as `(outputs, inputs)` with a narrow one takes
less time than x W: the wide factor is read in order, and only the narrow one is
rearranged. So the residual stream is `(dim, batch)` here, a column a text, from the
embedding to the logits, and nothing but heads is ever turned around.

It computes what `TransformerBlock` computes with a cache.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from rmkeras.layers.rotary import rotate


class OneTokenWeights(NamedTuple):
    """A block's weights as `one_token` reads them.

    Attributes:
        qkv, output, inner, outer: Pairs of a matrix `(outputs, inputs)`, with LoRA's
            addition in it, and a bias `(outputs, 1)`.
        attention_norm, outer_norm: Pairs of a scale and an offset `(dim, 1)`; the
            offset is `None` for an RMS norm.
    """

    qkv: Any
    output: Any
    inner: Any
    outer: Any
    attention_norm: Any
    outer_norm: Any


def decoding_dtype(compute_dtype):
    """The type that one token after another is computed in.

    Half precision is for products of wide matrices. Here one factor is narrow, and
    XLA on a processor multiplies such in bfloat16 at two thirds of float32's speed.

    Args:
        compute_dtype: The type that the model computes in otherwise.

    Returns:
        `"float32"` for half precision on a processor; else `compute_dtype`.

    Example:

    >>> from rmkeras.layers.one_token import decoding_dtype
    >>> decoding_dtype("float32")
    'float32'
    """
    if keras.backend.backend() != "tensorflow":
        return compute_dtype
    import tensorflow as tf

    if any(device.device_type != "CPU" for device in tf.config.list_physical_devices()):
        return compute_dtype
    return "float32" if compute_dtype in ("bfloat16", "float16") else compute_dtype


def one_token_weights(block):
    """Turns a block's weights around, once for many turns.

    Args:
        block: A built `TransformerBlock`.

    Returns:
        `OneTokenWeights`.
    """
    attention, dtype = block.attention, decoding_dtype(block.compute_dtype)

    def matrix(dense):
        kernel = ops.transpose(ops.cast(dense.merged_kernel(), dtype))
        return kernel, ops.cast(dense.bias, dtype)[:, None]

    return OneTokenWeights(
        matrix(attention.qkv),
        matrix(attention.output_dense),
        matrix(block.inner),
        matrix(block.outer),
        norm_weights(block.attention_norm),
        norm_weights(block.outer_norm),
    )


def one_token(block, weights, x, allowed, positions, cache, cache_index):
    """Applies a block to one new token of each text.

    Args:
        block: The `TransformerBlock`.
        weights: What `one_token_weights` made of it.
        x: `(dim, batch)`.
        allowed: Booleans `(batch, cache_length)`: the places of the cache that may
            be attended to, the new token's included.
        positions: `(batch,)` ints, the new tokens' positions.
        cache: Keys and values, both `(batch, heads, cache_length, key_dim)`.
        cache_index: Place of the new tokens in it.

    Returns:
        `(dim, batch)` and the updated cache.

    Example:

    >>> from keras import ops
    >>> from rmkeras.layers import TransformerBlock
    >>> from rmkeras.layers.one_token import one_token, one_token_weights
    >>> block = TransformerBlock(2, 16, causal=True)
    >>> block.build((None, None, 8))
    >>> empty = ops.zeros((3, 2, 5, 4))
    >>> y, _ = one_token(
    ...     block, one_token_weights(block), ops.ones((8, 3)), ops.ones((3, 5), "bool"),
    ...     ops.zeros(3, "int32"), (empty, empty), 0
    ... )
    >>> y.shape
    TensorShape([8, 3])
    """
    first = block.norm_first
    norms = weights.attention_norm, weights.outer_norm
    h = normalize(x, norms[0], block.epsilon) if first else x
    h, cache = _attend(block, weights, h, allowed, positions, cache, cache_index)
    h = x + h  # (D, B)
    if not first:
        h = normalize(h, norms[0], block.epsilon)
    y = normalize(h, norms[1], block.epsilon) if first else h
    y = h + _times(weights.outer, block.activate(_times(weights.inner, y)))
    return (y if first else normalize(y, norms[1], block.epsilon)), cache


def _attend(block, weights, x, allowed, positions, cache, cache_index):
    heads, width = block.num_heads, cache[0].shape[-1]
    qkv = ops.reshape(_times(weights.qkv, x), (3, heads, width, -1))
    query, key, value = ops.unstack(ops.transpose(qkv, (0, 3, 1, 2)), 3)  # (B, H, d)
    if block.rotary:
        query, key = (
            rotate(part[:, None], positions[:, None])[:, 0] for part in (query, key)
        )
    place = (0, 0, cache_index, 0)
    keys = ops.slice_update(cache[0], place, key[:, :, None])  # (B, H, K, d)
    values = ops.slice_update(cache[1], place, value[:, :, None])
    query = query[:, :, None] / math.sqrt(width)  # (B, H, 1, d)
    logits = ops.matmul(query, ops.swapaxes(keys, -1, -2))  # (B, H, 1, K)
    logits = ops.cast(logits, "float32")
    logits = logits + ops.where(allowed, 0.0, -1e9)[:, None, None]
    mass = ops.exp(logits - ops.max(logits, axis=-1, keepdims=True))
    total = ops.transpose(ops.sum(mass, axis=-1), (1, 2, 0))  # (H, 1, B)
    mixed = ops.matmul(ops.cast(mass, values.dtype), values)[:, :, 0]  # (B, H, d)
    # Divided by the softmax's sum at the end: XLA would take a bare transpose into
    # the next product, which is slow along that axis.
    mixed = ops.transpose(mixed, (1, 2, 0)) / ops.cast(total, mixed.dtype)
    mixed = ops.reshape(mixed, (heads * width, -1))
    return _times(weights.output, mixed), (keys, values)  # (D, B)


def _times(weights, x):
    matrix, bias = weights
    return ops.matmul(matrix, x) + bias


def norm_weights(layer):
    """Returns a normalisation's scale and offset as columns.

    Args:
        layer: A built `LayerNorm` or `keras.layers.RMSNormalization`.

    Returns:
        Two tensors `(dim, 1)`; `None` instead of the second for an RMS norm.
    """
    if hasattr(layer, "gamma"):
        return layer.gamma[:, None], layer.beta[:, None]
    return layer.scale[:, None], None


def normalize(x, weights, epsilon):
    """Normalises columns; see `TransformerBlock`'s `norm`.

    Args:
        x: `(dim, batch)`.
        weights: What `norm_weights` returned.
        epsilon: ε.

    Returns:
        `(dim, batch)` of the dtype of `x`, computed in float32.
    """
    scale, offset = weights
    wide = ops.cast(x, "float32")
    if offset is not None:
        wide = wide - ops.mean(wide, axis=0)
    wide = wide * ops.rsqrt(ops.mean(ops.square(wide), axis=0) + epsilon)
    wide = wide * ops.cast(scale, "float32")
    if offset is not None:
        wide = wide + ops.cast(offset, "float32")
    return ops.cast(wide, x.dtype)
