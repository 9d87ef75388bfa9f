import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.layers import (
    fused,
    remove_padding,
    restore_padding,
    token_layout,
    transformer,
)
from rmkeras.models import BertEncoder


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5)
)
def test_taking_padding_out_and_putting_it_back(rows):
    mask = np.array(rows)
    x = np.random.default_rng(0).normal(size=(*mask.shape, 3)).astype("float32")
    layout = token_layout(mask, multiple=4)
    flat = remove_padding(x, layout)
    assert flat.shape[0] == -(-mask.sum() // 4) * 4
    np.testing.assert_array_equal(flat[: mask.sum()], x[mask])
    if mask.any():
        np.testing.assert_array_equal(
            np.array(restore_padding(flat, layout))[mask], x[mask]
        )


def test_gradients_go_to_the_tokens_they_came_from():
    mask = np.array([[1, 0, 1], [0, 1, 1]], bool)
    layout = token_layout(mask)
    x = tf.constant(np.random.default_rng(1).normal(size=(2, 3, 2)).astype("float32"))
    weights = np.arange(8, dtype="float32").reshape(4, 2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(remove_padding(x, layout) * weights)
    expected = np.zeros((2, 3, 2), "float32")
    expected[mask] = weights
    np.testing.assert_array_equal(tape.gradient(loss, x), expected)

    flat = tf.constant(weights)
    padded_weights = np.random.default_rng(2).normal(size=(2, 3, 2)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(flat)
        # What stands at padding is masked by whoever reads it.
        loss = tf.reduce_sum(restore_padding(flat, layout)[mask] * padded_weights[mask])
    np.testing.assert_allclose(tape.gradient(loss, flat), padded_weights[mask])


@pytest.mark.parametrize("training", [False, True])
def test_bert_without_padding_equals_bert_with_it(training, monkeypatch):
    for module in (fused, transformer):
        monkeypatch.setattr(module, "WIDE", 1)  # compiled layers, as in training
    ids = np.random.default_rng(3).integers(1, 50, (4, 9)).astype("int32")
    for row, length in enumerate((9, 4, 1, 6)):
        ids[row, length:] = 0
    ids[3] = np.roll(ids[3], 3)  # padding on the left
    mask = ids != 0
    shape = {"dim": 8, "num_layers": 2, "num_heads": 2, "intermediate_dim": 16}
    encoders = [BertEncoder(50, 16, **shape, unpad=unpad) for unpad in (True, False)]
    for encoder in encoders:
        encoder.build()
    for a, b in zip(encoders[0].variables, encoders[1].variables, strict=True):
        b.assign(a)
    outputs, gradients = [], []
    for encoder in encoders:
        with tf.GradientTape() as tape:
            h = encoder(ids, training=training)
            loss = tf.reduce_sum(tf.boolean_mask(h, mask) ** 3)
        outputs.append(np.array(h)[mask])
        found = tape.gradient(loss, encoder.trainable_variables)
        gradients.append([np.array(tf.convert_to_tensor(g)) for g in found])
    np.testing.assert_allclose(*outputs, atol=1e-5)
    for variable, a, b in zip(encoders[0].trainable_variables, *gradients, strict=True):
        # The cube makes gradients in the thousands: float32 rounds by their size.
        atol = 1e-6 * np.abs(b).max() + 1e-4
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol, err_msg=variable.path)
