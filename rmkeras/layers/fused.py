"""GELU and layer normalisation that read and write memory once.

Outside of XLA, TensorFlow runs every product, sum and root of a formula as a pass
of its own over memory. On a processor GELU and its gradient then cost as much as
the matrix product before them. Here each is compiled into a single pass, forward
and backward; everything around them stays free to have any shape. Other backends
compile whole programs and need none of this.
"""

from __future__ import annotations

import functools
import math

import keras
from keras import ops

WIDE = 256
"""Width from which layers use these. Every new shape is compiled once, which takes
half a second; narrow layers are so fast that it would never come back."""


def gelu(x, approximate=False, fuse=True):
    """GELU, x Φ(x), with Φ the standard normal distribution function.

    Args:
        x: A tensor of any shape.
        approximate: Whether Φ is replaced by its hyperbolic tangent formula,
            ½ (1 + tanh(√(2/π) (x + 0.044715 x³))).
        fuse: Whether to compile it into one pass over memory, where that helps.

    Returns:
        A tensor of the same shape and dtype, computed in float32.

    Example:

    >>> from rmkeras.layers import gelu
    >>> round(float(gelu(1.0)), 4), round(float(gelu(1.0, approximate=True)), 4)
    (0.8413, 0.8412)

    Source: Hendrycks and Gimpel (2016), "Gaussian Error Linear Units", section 2.
    """
    x = ops.convert_to_tensor(x)
    if not (fuse and keras.backend.backend() == "tensorflow"):
        return ops.gelu(x, approximate=approximate)
    return _fused_gelu(approximate)(x)


def layer_norm(x, gamma, beta, epsilon, fuse=True):
    """Normalises the last axis: γ (x − mean) / √(variance + ε) + β.

    Args:
        x: `(..., dim)`.
        gamma, beta: `(dim,)`.
        epsilon: ε.
        fuse: Whether to compile it into one pass over memory, where that helps.

    Returns:
        A tensor of the same shape and dtype as `x`, computed in float32.

    Example:

    >>> from keras import ops
    >>> from rmkeras.layers.fused import layer_norm
    >>> x = layer_norm(ops.array([[1.0, 3.0]]), ops.ones(2), ops.zeros(2), 0.0)
    >>> x.numpy().tolist()
    [[-1.0, 1.0]]

    Source: Ba, Kiros and Hinton (2016), "Layer Normalization", equation 4.
    """
    if not (fuse and keras.backend.backend() == "tensorflow"):
        return _norm(x, gamma, beta, epsilon)[0]
    return _fused_norm(epsilon)(x, gamma, beta)


@keras.saving.register_keras_serializable(package="rmkeras")
class LayerNorm(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` over the last axis, fused in training.

    Call arguments:
        x: `(..., dim)`.

    Returns:
        A tensor of the same shape.

    Example:

    >>> from keras import ops
    >>> from rmkeras.layers import LayerNorm
    >>> LayerNorm()(ops.ones((2, 4))).shape
    TensorShape([2, 4])
    """

    def call(self, x, training=None):
        """Normalises; see the class."""
        # While sampling, tensors are small and a compiled call costs more than
        # it saves.
        if not training or x.shape[-1] < WIDE:
            return super().call(x)
        return layer_norm(x, self.gamma, self.beta, self.epsilon)


LANES = 16
"""Sums run side by side, as the processor's vectors want it. A compiler may not decide
that by itself: it would change the order of addition."""

AT_A_TIME = 32
"""Numbers in one sum. XLA takes longer ones apart into windows of as many, which it
writes to memory; sums of sums stay in the pass that made their terms."""


def fold(reduce, x):
    """Reduces the last axis in a few short steps, see `AT_A_TIME`.

    Args:
        reduce: `ops.sum` or `ops.max`.
        x: `(..., size)`.

    Returns:
        `(...)`.

    Example:

    >>> from keras import ops
    >>> from rmkeras.layers.fused import fold
    >>> float(fold(ops.sum, ops.ones((1, 4096)))[0])
    4096.0
    """
    while x.shape[-1] > LANES:
        size = x.shape[-1]
        parts = min(AT_A_TIME, size // LANES)
        while size % parts:
            parts -= 1
        if parts == 1:
            break
        x = ops.reshape(x, (*ops.shape(x)[:-1], parts, size // parts))
        x = reduce(x, axis=-2)
    return reduce(x, axis=-1)


def _mean(x):
    return fold(ops.sum, x)[..., None] / x.shape[-1]


def _norm(x, gamma, beta, epsilon):
    wide = ops.cast(x, "float32")
    centred = wide - _mean(wide)
    scale = ops.rsqrt(_mean(ops.square(centred)) + epsilon)
    unit = centred * scale
    y = unit * ops.cast(gamma, "float32") + ops.cast(beta, "float32")
    return ops.cast(y, x.dtype), unit, scale


def _compiled(function):
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


@functools.cache
def _fused_norm(epsilon):
    import tensorflow as tf

    @_compiled
    def forward(x, gamma, beta):
        return _norm(x, gamma, beta, epsilon)[0]

    @_compiled
    def backward(upstream, x, gamma, beta):
        _, unit, scale = _norm(x, gamma, beta, epsilon)
        upstream = ops.cast(upstream, "float32")
        # With u = (x − mean) · scale and g = dy · γ:
        # dx = scale · (g − mean(g) − u · mean(g · u))
        g = upstream * ops.cast(gamma, "float32")
        dx = (g - _mean(g) - unit * _mean(g * unit)) * scale
        axes = tuple(range(len(x.shape) - 1))
        dgamma = ops.sum(upstream * unit, axis=axes)
        dbeta = ops.sum(upstream, axis=axes)
        return (
            ops.cast(dx, x.dtype),
            ops.cast(dgamma, gamma.dtype),
            ops.cast(dbeta, beta.dtype),
        )

    @tf.custom_gradient
    def norm(x, gamma, beta):
        def grad(upstream):
            return backward(upstream, x, gamma, beta)

        return forward(x, gamma, beta), grad

    return lambda x, gamma, beta: norm(x, _read(gamma), _read(beta))


def _gelu_and_slope(x, approximate):
    """GELU and its derivative in float32, for a kernel that takes either or both."""
    wide = ops.cast(x, "float32")
    if approximate:
        c = math.sqrt(2 / math.pi)
        t = ops.tanh(c * (wide + 0.044715 * wide * wide * wide))
        inner = c * (1 + 3 * 0.044715 * wide * wide)
        slope = 0.5 * (1 + t) + 0.5 * wide * (1 - t * t) * inner
    else:
        # d/dx x Φ(x) = Φ(x) + x φ(x)
        phi = ops.exp(-0.5 * wide * wide) / math.sqrt(2 * math.pi)
        slope = 0.5 * (1 + ops.erf(wide / math.sqrt(2))) + wide * phi
    return ops.gelu(wide, approximate=approximate), slope


@functools.cache
def _fused_gelu(approximate):
    import tensorflow as tf

    forward = _gelu_alone(approximate)

    @_compiled
    def backward(upstream, x):
        _, slope = _gelu_and_slope(x, approximate)
        return ops.cast(ops.cast(upstream, "float32") * slope, x.dtype)

    @tf.custom_gradient
    def activation(x):
        return forward(x), lambda upstream: backward(upstream, x)

    return activation


@functools.cache
def _gelu_alone(approximate):
    @_compiled
    def forward(x):
        return ops.cast(_gelu_and_slope(x, approximate)[0], x.dtype)

    return forward


def gelu_dense(x, kernel, bias, approximate=False):
    """GELU, then a dense layer: gelu(x) W + b, without keeping gelu(x).

    Its gradient needs gelu(x), for dW, and the slope of GELU, for dx. Kept from the
    forward pass, gelu(x) would be the largest thing that a Transformer block keeps,
    with x itself. Here both come from x in one pass, which takes hardly longer than
    the slope alone.

    Args:
        x: `(..., inner)`.
        kernel: W, `(inner, dim)`.
        bias: b, `(dim,)`.
        approximate: As in `gelu`.

    Returns:
        `(..., dim)` in the dtype of `x`.

    Example:

    >>> from keras import ops
    >>> from rmkeras.layers.fused import gelu_dense
    >>> y = gelu_dense(ops.ones((2, 3)), ops.ones((3, 4)), ops.zeros(4))
    >>> y.shape, round(float(y[0, 0]), 4)  # 3 x 0.8413
    (TensorShape([2, 4]), 2.524)

    Source: Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost",
    section 3, for computing again what is cheap.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.matmul(gelu(x, approximate, fuse=False), kernel) + bias
    return _fused_gelu_dense(approximate)(x, _read(kernel), _read(bias))


@functools.cache
def _fused_gelu_dense(approximate):
    import tensorflow as tf

    forward = _gelu_alone(approximate)

    @_compiled
    def again(upstream, x):
        y, slope = _gelu_and_slope(x, approximate)
        dx = ops.cast(upstream, "float32") * slope
        return ops.cast(y, x.dtype), ops.cast(dx, x.dtype)

    @tf.custom_gradient
    def layer(x, kernel, bias):
        def grad(upstream):
            inner, dim = kernel.shape
            rows = ops.reshape(upstream, (-1, dim))  # (N, dim)
            dy = ops.matmul(rows, ops.transpose(kernel))  # (N, inner)
            y, dx = again(ops.reshape(dy, ops.shape(x)), x)
            y = ops.reshape(y, (-1, inner))  # (N, inner)
            dkernel = ops.matmul(ops.transpose(y), rows)
            return dx, dkernel, ops.sum(rows, axis=0)

        return ops.matmul(forward(x), kernel) + bias, grad

    return layer


def _read(variable):
    """A copy: what a custom gradient is taken of may not be a variable, whose gradient
    would be asked for separately."""
    import tensorflow as tf

    return tf.identity(ops.convert_to_tensor(variable))


def attention(query, key, value, mask=None, causal=False):
    """Scaled dot-product attention for training: softmax(Q Kᵀ / √d + M) V.

    The same as `scaled_dot_product_attention`, but with heads behind positions,
    as dense layers leave them, and without returning the weights. A few sequences
    are treated at a time, cut to their own longest, so that weights stay in the
    processor's cache, padding costs next to nothing and memory does not grow with
    the square of the length; for the gradient the weights are computed again.

    Args:
        query, key, value: `(batch, length, heads, d)`.
        mask: Booleans `(batch, length)`, true for keys that may be attended to, or
            ints, the document of each token; see `allowed_keys`.
        causal: Whether position t sees only positions up to t.

    Returns:
        `(batch, length, heads, d)`; zeros in columns where all of a few
        neighbouring sequences are masked.

    Example:

    >>> from keras import ops
    >>> from rmkeras.layers.fused import attention
    >>> x = ops.ones((1, 3, 1, 4))
    >>> attention(x, x, x).shape
    TensorShape([1, 3, 1, 4])

    Source: Dao et al. (2022), "FlashAttention", algorithm 1 and appendix B.2, for
    the gradient from recomputed weights.
    """
    if mask is None:
        mask = ops.ones(ops.shape(query)[:2], "bool")
    mask = ops.convert_to_tensor(mask)
    if keras.backend.backend() == "tensorflow" and not _inside_xla():
        return _attention_in_cache(causal)(query, key, value, mask)
    scale = 1 / math.sqrt(query.shape[-1])
    weights = _weights(_rows(query) * scale, _columns(key), mask, causal)
    return _rows(ops.matmul(weights, _rows(value)))


AT_ONCE = 768 * 1024
"""About as many weights are computed at a time; in float32 they take 3 MB. With 12
heads that is one sequence of 256 tokens, or 16 of 64."""


def _inside_xla():
    """Whether the graph that is being built will be compiled as a whole.

    XLA wants shapes that are known, which a cut to the longest sequence is not.
    """
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    graph = tf.compat.v1.get_default_graph()
    return control_flow_util.GraphOrParentsInXlaContext(graph)


def allowed_keys(mask, length, causal):
    """Which keys each query may attend to.

    Args:
        mask: Booleans `(batch, length)`, true for real tokens; or ints, the number
            of the document that each token belongs to, 0 for padding: several
            documents then share a row without seeing each other; or `None`.
        length: Number of tokens in a row.
        causal: Whether position t sees only positions up to t.

    Returns:
        Booleans that broadcast to `(batch, heads, length, length)`; `None` for all.

    Example:

    >>> from keras import ops
    >>> from rmkeras.layers.fused import allowed_keys
    >>> allowed_keys(ops.array([[1, 1, 2]]), 3, causal=True).numpy().astype(int)[0, 0]
    array([[1, 0, 0],
           [1, 1, 0],
           [0, 0, 1]])
    """
    allowed = None
    if mask is not None:
        real = ops.cast(mask, "bool")
        allowed = real[:, None, None, :]  # (B, 1, 1, K)
        if keras.backend.standardize_dtype(mask.dtype) != "bool":
            same = ops.equal(mask[:, None, :, None], mask[:, None, None, :])
            allowed = ops.logical_and(allowed, same)  # (B, 1, L, K)
    if causal:
        place = ops.arange(length)
        past = (place[None, :] <= place[:, None])[None, None]  # (1, 1, L, K)
        allowed = past if allowed is None else ops.logical_and(allowed, past)
    return allowed


def _weights(query, key, mask, causal):
    logits = ops.cast(ops.matmul(query, key), "float32")  # (B, H, L, L)
    allowed = allowed_keys(mask, ops.shape(mask)[1], causal)
    logits = logits + ops.where(allowed, 0.0, -1e9)
    return ops.cast(ops.softmax(logits, axis=-1), query.dtype)


def _rows(x):
    return _transpose(x, (0, 2, 1, 3))  # (B, L, H, D) <-> (B, H, L, D)


def _columns(x):
    # In one step. Swapping the last two axes afterwards would be folded into the
    # product by TensorFlow's optimiser, which multiplies by a matrix that it has
    # to read across at a third of the speed.
    return _transpose(x, (0, 2, 3, 1))  # (B, L, H, D) -> (B, H, D, L)


def _from_columns(x):
    return _transpose(x, (0, 3, 1, 2))  # (B, H, D, L) -> (B, L, H, D)


INTEGERS = {"float32": "int32", "bfloat16": "int16", "float16": "int16"}


def _transpose(x, axes):
    dtype = keras.backend.standardize_dtype(x.dtype)
    plain = keras.backend.backend() != "tensorflow" or dtype not in INTEGERS
    if plain or _inside_xla():
        return ops.transpose(x, axes)
    import tensorflow as tf

    # Read as integers of the same width; that has no gradient, but the caller's is
    # written by hand. On floats TensorFlow calls oneDNN, which plans each transposition
    # anew; for tensors as small as these the plan takes longer than the work.
    turned = tf.transpose(tf.bitcast(x, INTEGERS[dtype]), axes)
    return tf.bitcast(turned, x.dtype)


@functools.cache
def _attention_in_cache(causal):
    import tensorflow as tf

    def in_cache(function, mask, *tensors, results=1):
        """Applies a function to a few sequences at a time, without their padding."""
        batch, length = tf.shape(mask)[0], tf.shape(mask)[1]
        each = tensors[0].shape[2] * length * length
        rows = tf.maximum(1, AT_ONCE // tf.maximum(each, 1))
        count = -(-batch // rows)

        def body(i, arrays):
            part = slice(i * rows, tf.minimum((i + 1) * rows, batch))
            used = tf.reduce_any(tf.cast(mask[part], tf.bool), axis=0)  # (L,)
            first = tf.argmax(used, output_type=tf.int32)
            last = length - tf.argmax(used[::-1], output_type=tf.int32)
            cut = [t[part, first:last] for t in (mask, *tensors)]
            edge = [[0, 0], [first, length - last], [0, 0], [0, 0]]
            found = [tf.pad(y, edge) for y in function(*cut)]
            return i + 1, [r.write(i, y) for r, y in zip(arrays, found, strict=True)]

        # Not one tensor but a list, because the last part may be smaller.
        arrays = [
            tf.TensorArray(t.dtype, count, infer_shape=False) for t in tensors[:results]
        ]
        # Two at a time: one part's small steps hide behind the other's products.
        _, arrays = tf.while_loop(
            lambda i, _: i < count, body, (0, arrays), parallel_iterations=2
        )
        return [tf.ensure_shape(a.concat(), tensors[0].shape) for a in arrays]

    def forward(mask, query, key, value):
        scale = 1 / math.sqrt(query.shape[-1])
        weights = _weights(_rows(query) * scale, _columns(key), mask, causal)
        return [_rows(tf.matmul(weights, _rows(value)))]

    def backward(mask, query, key, value, output, upstream):
        scale = 1 / math.sqrt(query.shape[-1])
        query = query * scale
        weights = _weights(_rows(query), _columns(key), mask, causal)
        # dV = Wᵀ dO, written as (dOᵀ W)ᵀ: the small matrix is turned around.
        dvalue = _from_columns(tf.matmul(_columns(upstream), weights))
        # The gradient of a softmax, W ∘ (dW − rowsum(W ∘ dW)); the sum is
        # rowsum(O ∘ dO), which is smaller.
        total = tf.reduce_sum(_rows(output * upstream), -1, keepdims=True)
        dweights = tf.matmul(_rows(upstream), _columns(value))
        dlogits = weights * (dweights - total)
        dquery = _rows(tf.matmul(dlogits, _rows(key))) * scale
        dkey = _from_columns(tf.matmul(_columns(query), dlogits))
        return dquery, dkey, dvalue

    @tf.custom_gradient
    def attend(query, key, value, mask):
        (output,) = in_cache(forward, mask, query, key, value)

        def grad(upstream):
            tensors = (query, key, value, output, upstream)
            return *in_cache(backward, mask, *tensors, results=3), None

        return output, grad

    return attend
