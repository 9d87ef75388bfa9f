import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import erf

from rmkeras.layers import (
    LayerNorm,
    MultiHeadAttention,
    TransformerBlock,
    gelu,
    scaled_dot_product_attention,
)
from rmkeras.layers.fused import attention, gelu_dense

RNG = np.random.default_rng(0)


def value_and_gradients(function, *inputs):
    inputs = [tf.constant(x) for x in inputs]
    weights = RNG.normal(size=function(*inputs).shape).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = function(*inputs)
        loss = tf.reduce_sum(y * weights)
    return y, tape.gradient(loss, inputs), weights


def same(ours, theirs, *inputs, atol=1e-5):
    global RNG
    RNG = np.random.default_rng(1)
    y, gradients, _ = value_and_gradients(ours, *inputs)
    RNG = np.random.default_rng(1)
    expected, wanted, _ = value_and_gradients(theirs, *inputs)
    np.testing.assert_allclose(y, expected, atol=atol)
    for a, b in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu_is_keras_gelu_and_so_is_its_gradient(approximate):
    x = np.linspace(-6, 6, 60, dtype="float32").reshape(10, 6)
    same(
        lambda x: gelu(x, approximate),
        lambda x: keras.ops.gelu(x, approximate=approximate),
        x,
    )


@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.parametrize("shape", [(7, 6), (2, 5, 6)])
def test_a_dense_layer_behind_gelu_has_all_gradients_of_the_two(shape, approximate):
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=s).astype("float32") for s in (shape, (6, 4)))
    same(
        lambda x, w, b: gelu_dense(x, w, b, approximate),
        lambda x, w, b: keras.ops.gelu(x, approximate=approximate) @ w + b,
        *(x, w, np.ones(4, "float32")),
    )
    half = gelu_dense(*(tf.cast(v, "bfloat16") for v in (x, w, np.ones(4))))
    assert half.dtype == tf.bfloat16


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("trained", ["all", "lora", "none"])
def test_a_block_has_the_same_gradients_however_its_network_is_computed(
    monkeypatch, trained, policy
):
    block = TransformerBlock(
        2, 16, activation="gelu", kernel_std=0.3, output_std=0.3, dtype=policy,
        lora_rank=2 * (trained == "lora"),
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
    block.build(x.shape)
    block.outer.trainable = trained != "none"
    found = []
    for width in (1, 99):  # compiled, then not
        monkeypatch.setattr("rmkeras.layers.transformer.WIDE", width)
        with tf.GradientTape() as tape:
            y = block(x, training=True)
            loss = tf.reduce_sum(tf.cast(y, "float32") ** 2)
        weights = [w.value for w in block.trainable_variables]
        found.append([y, *tape.gradient(loss, weights)])
    for ours, plain in zip(*found, strict=True):
        ours, plain = (tf.cast(v, "float32").numpy() for v in (ours, plain))
        room = 1e-4 if policy == "float32" else 0.05
        assert np.abs(ours - plain).max() <= room * max(1, np.abs(plain).max())


def test_gelu_is_x_times_the_normal_distribution():
    x = np.linspace(-5, 5, 41)
    expected = x * 0.5 * (1 + erf(x / np.sqrt(2)))
    np.testing.assert_allclose(gelu(x.astype("float32")), expected, atol=1e-6)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_gelu_is_finite_far_out(size):
    x = tf.constant([-size, 0.0, size])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = gelu(x)
    assert np.isfinite(y).all() and np.isfinite(tape.gradient(y, x)).all()


@pytest.fixture(autouse=True)
def _fuse_narrow_layers_too(monkeypatch):
    from rmkeras.layers import fused, transformer

    for module in (fused, transformer):
        monkeypatch.setattr(module, "WIDE", 1)


@pytest.mark.parametrize("shape", [(7, 8), (2, 5, 8)])
def test_layer_norm_is_keras_layer_norm_with_all_gradients(shape):
    ours = LayerNorm(epsilon=1e-5)
    theirs = keras.layers.LayerNormalization(epsilon=1e-5)
    gamma, beta = RNG.normal(size=(2, 8)).astype("float32")
    results = []
    x = tf.constant(np.random.default_rng(2).normal(3, 2, shape).astype("float32"))
    upstream = np.random.default_rng(3).normal(size=shape).astype("float32")
    for layer, options in ((ours, {"training": True}), (theirs, {})):
        layer.build(shape)
        layer.set_weights([gamma, beta])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, **options)
            loss = tf.reduce_sum(y * upstream)
        results.append([y, *tape.gradient(loss, [x, *layer.trainable_variables])])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("at_once", [1, 250, 9999])  # 1, 2 and all sequences
def test_attention_is_the_plain_formula_with_all_gradients(
    causal, side, at_once, monkeypatch
):
    from rmkeras.layers import fused

    monkeypatch.setattr(fused, "AT_ONCE", at_once)
    lengths = np.array([[6], [3], [1], [2], [5]])
    q, k, v = np.random.default_rng(4).normal(size=(3, 5, 6, 3, 4)).astype("float32")
    real = np.arange(6)[None, :] < lengths
    if side == "left":
        real = real[:, ::-1]
    allowed = real[:, None, None, :]
    if causal:
        allowed = allowed & np.tri(6, dtype=bool)[None, None]

    def plain(q, k, v):
        heads = [tf.transpose(x, (0, 2, 1, 3)) for x in (q, k, v)]
        mixed = scaled_dot_product_attention(*heads, allowed)[0]
        return tf.transpose(mixed, (0, 2, 1, 3)) * real[:, :, None, None]

    def ours(q, k, v):
        mixed = attention(q, k, v, tf.constant(real), causal)
        return mixed * real[:, :, None, None]

    same(ours, plain, q, k, v)
    same(tf.function(ours), plain, q, k, v)


def test_attention_under_jax_or_numpy_is_the_same(monkeypatch):
    q = np.random.default_rng(4).normal(size=(2, 5, 3, 4)).astype("float32")
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]], bool)
    ours = attention(q, q, q, mask, True)
    monkeypatch.setattr(keras.backend, "backend", lambda: "another")
    other = attention(
        keras.ops.array(q), keras.ops.array(q), keras.ops.array(q), mask, True
    )
    np.testing.assert_allclose(ours, other, atol=1e-6)


def test_training_and_inference_compute_the_same():
    layer = MultiHeadAttention(2, causal=True)
    x = np.random.default_rng(5).normal(size=(2, 5, 8)).astype("float32")
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], bool)
    a = np.array(layer(x, mask=mask, training=True))[mask]
    b = np.array(layer(x, mask=mask, training=False))[mask]
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_half_precision_keeps_its_type_and_the_value():
    x = np.linspace(-3, 3, 12, dtype="float32").reshape(3, 4)
    half = tf.cast(x, "bfloat16")
    y = gelu(half)
    assert y.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(y, "float32"), gelu(x), atol=0.02)


def test_a_training_step_may_be_compiled_as_a_whole():
    layer = MultiHeadAttention(2, causal=True)
    x = np.random.default_rng(5).normal(size=(3, 5, 8)).astype("float32")
    layer(x)
    found = []
    for compiled in (False, True):

        @tf.function(jit_compile=compiled)
        def step(x):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(x, training=True) ** 2)
            return loss, tape.gradient(loss, layer.qkv.kernel)

        found.append(step(tf.constant(x)))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
