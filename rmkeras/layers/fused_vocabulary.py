"""The log-probability of one token of a vocabulary, in two passes over memory."""

from __future__ import annotations

import functools

import keras
from keras import ops

from rmkeras.layers import fused

EVEN = 256
"""The vocabulary is filled up to a multiple of this, which can be summed up in few
steps; the filling is never in memory."""


def log_softmax_at(products, bias, ids, temperature=1.0, fuse=None):
    """Log-probabilities of given tokens: log softmax((x + b) / T) at `ids`.

    Over a vocabulary of thousands, a step spends as long on the softmax as on the
    product before it, if each of its formula's parts reads and writes the logits
    anew, in float32. Here they are read twice in their own precision and never
    written, and only their gradient takes room beside them.

    Args:
        products: `(tokens, vocabulary)`, in any float type: logits without bias.
        bias: `(vocabulary,)` float32.
        ids: `(tokens,)` ints.
        temperature: T.
        fuse: Whether to take two passes, which are compiled once for each shape. A
            small model does not live long enough to earn that back. By default, from
            a vocabulary of 256 on.

    Returns:
        `(tokens,)` float32, computed in float32.

    Example:

    >>> from keras import ops
    >>> from rmkeras.layers import log_softmax_at
    >>> found = log_softmax_at(ops.zeros((1, 4)), ops.zeros(4), ops.array([2]))
    >>> round(float(found[0]), 4)
    -1.3863

    Source: Hsu et al. (2025), "Liger Kernel", section 3.2, for taking the softmax
    and its gradient in one pass each.
    """
    if fuse is None:
        fuse = products.shape[-1] >= fused.WIDE
    tensorflow = keras.backend.backend() == "tensorflow"
    if not (fuse and tensorflow) or fused._inside_xla():
        logits = ops.cast(products, "float32") + bias  # (N, V)
        if temperature != 1.0:
            logits = logits / temperature
        # The cross-entropy makes its gradient in the same pass over the vocabulary.
        return -ops.sparse_categorical_crossentropy(ids, logits, from_logits=True)
    return _fused_log_softmax(float(temperature))(products, bias, ids)


@functools.cache
def _fused_log_softmax(temperature):
    import tensorflow as tf

    def logits(products, bias):
        return (tf.cast(products, tf.float32) + bias) / temperature  # (N, V)

    @fused._compiled
    def forward(products, bias, ids):
        z = logits(products, bias)
        size = z.shape[1]
        whole = -(-size // EVEN) * EVEN
        z = tf.pad(z, [[0, 0], [0, whole - size]], constant_values=z.dtype.min)
        most = fused.fold(ops.max, z)  # (N,)
        total = fused.fold(ops.sum, tf.exp(z - most[:, None]))
        normalizer = most + tf.math.log(total)
        return tf.gather(z, ids, batch_dims=1) - normalizer, normalizer

    @fused._compiled
    def backward(upstream, products, bias, ids, normalizer):
        z = logits(products, bias)
        here = tf.range(z.shape[1], dtype=ids.dtype)[None] == ids[:, None]
        slope = tf.cast(here, tf.float32) - tf.exp(z - normalizer[:, None])
        return tf.cast(slope * (upstream / temperature)[:, None], products.dtype)

    @fused._compiled
    def over_tokens(slope):
        return tf.reduce_sum(tf.cast(slope, tf.float32), axis=0)

    @tf.custom_gradient
    def at(products, bias, ids):
        found, normalizer = forward(products, bias, ids)

        def grad(upstream):
            slope = backward(upstream, products, bias, ids, normalizer)
            return slope, over_tokens(slope), None

        return found, grad

    return at
