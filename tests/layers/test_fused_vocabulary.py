import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from rmkeras.layers import fused, fused_vocabulary, log_softmax_at
from rmkeras.models import CausalLM, ILQLModel
from rmkeras.text import SubwordTokenizer


@pytest.fixture(autouse=True)
def _fuse_narrow_vocabularies_too(monkeypatch):
    monkeypatch.setattr(fused, "WIDE", 1)


def drawn(size, tokens=7):
    generator = np.random.default_rng(size)
    products = generator.normal(0, 3, (tokens, size)).astype("float32")
    bias = generator.normal(size=size).astype("float32")
    return products, bias, generator.integers(0, size, tokens).astype("int32")


def gradients(products, bias, ids, temperature, upstream):
    products, bias = tf.constant(products), tf.constant(bias)
    with tf.GradientTape() as tape:
        tape.watch([products, bias])
        found = log_softmax_at(products, bias, ids, temperature)
        total = tf.reduce_sum(found * upstream)
    return found, tape.gradient(total, [products, bias])


# One lane, not a whole number of lanes, one exactly, and several.
@pytest.mark.parametrize("size", [1, 5, 16, 50, 64])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_value_and_gradients_are_those_of_the_formula(size, temperature):
    products, bias, ids = drawn(size)
    upstream = np.random.default_rng(0).normal(size=len(ids)).astype("float32")
    found, (slope, over_tokens) = gradients(products, bias, ids, temperature, upstream)
    expected = log_softmax((products + bias).astype("float64") / temperature, axis=1)
    np.testing.assert_allclose(found, expected[np.arange(len(ids)), ids], atol=2e-6)
    # d log p_i / d z_j = (1[i = j] − p_j) / T
    wanted = (np.eye(size)[ids] - np.exp(expected)) * upstream[:, None] / temperature
    np.testing.assert_allclose(slope, wanted, atol=2e-6)
    np.testing.assert_allclose(over_tokens, wanted.sum(0), atol=1e-5)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_it_is_finite_far_out(size):
    products = np.zeros((2, 6), "float32")
    products[:, 3] = size
    ids = np.array([3, 2])
    found, slopes = gradients(products, np.zeros(6, "float32"), ids, 1.0, np.ones(2))
    assert all(np.isfinite(x).all() for x in (found, *slopes))
    np.testing.assert_allclose(
        found, log_softmax(products.astype("float64"), axis=1)[[0, 1], ids], rtol=1e-6
    )


def test_a_token_that_a_bias_rules_out_gets_no_probability():
    products, bias, _ = drawn(20)
    bias[0] = -1e9
    every = [log_softmax_at(products[:1], bias, np.array([i]))[0] for i in range(20)]
    assert float(every[0]) < -1e8
    assert float(tf.reduce_sum(tf.exp(every))) == pytest.approx(1, abs=1e-6)


def test_half_precision_is_read_as_it_is_and_summed_in_float32():
    products, bias, ids = drawn(3000)
    half = tf.cast(products, "bfloat16")
    found, (slope, _) = gradients(half, bias, ids, 1.0, np.ones(len(ids), "float32"))
    exact = tf.cast(half, "float32")  # What is lost by rounding is lost already.
    whole, (wanted, _) = gradients(exact, bias, ids, 1.0, np.ones(len(ids), "float32"))
    np.testing.assert_allclose(found, whole, atol=1e-5)
    assert found.dtype == tf.float32 and slope.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(slope, "float32"), wanted, rtol=1e-2, atol=1e-5)


def test_other_backends_and_whole_compiled_steps_compute_the_same(monkeypatch):
    products, bias, ids = drawn(50)
    ours = log_softmax_at(products, bias, ids, 0.7)
    whole = tf.function(log_softmax_at, jit_compile=True)
    inside = whole(tf.constant(products), tf.constant(bias), tf.constant(ids), 0.7)
    monkeypatch.setattr(keras.backend, "backend", lambda: "another")
    other = log_softmax_at(products, bias, ids, 0.7)
    np.testing.assert_allclose(ours, inside, atol=1e-5)
    np.testing.assert_allclose(ours, other, atol=1e-5)


@pytest.mark.parametrize("kind", [CausalLM, ILQLModel])
@pytest.mark.parametrize("dim, fused_ones", [(8, 0), (32, 1)])
def test_a_language_model_decides_by_its_width(monkeypatch, kind, dim, fused_ones):
    monkeypatch.setattr(fused, "WIDE", 16)
    made, make = [], fused_vocabulary._fused_log_softmax
    monkeypatch.setattr(
        fused_vocabulary,
        "_fused_log_softmax",
        lambda temperature: made.append(temperature) or make(temperature),
    )
    tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    model = kind(tokenizer, dim=dim, num_layers=1, num_heads=2, max_length=16)
    ids = np.array([[3, 4, 5]])
    hidden = np.random.default_rng(0).normal(size=(1, 3, dim)).astype("float32")
    found = model.token_log_probs(tf.constant(hidden), ids)
    expected = log_softmax(np.array(model.to_logits(hidden)), axis=-1)
    np.testing.assert_allclose(found[0], expected[0, range(3), ids[0]], atol=1e-5)
    assert len(made) == fused_ones
