import keras
import keras_hub
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax

from rmkeras.layers import (
    MultiHeadAttention,
    TransformerBlock,
    scaled_dot_product_attention,
)

MASK = np.array([[1] * 7, [1] * 4 + [0] * 3, [0] * 2 + [1] * 5], bool)


@pytest.fixture
def x():
    return keras.random.normal((3, 7, 16), seed=1)


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays("float32", (2, 1, 5, 4), elements=st.floats(-30, 30, width=32)),
    hnp.arrays("bool", (2, 1, 5, 5)),
)
def test_attention_equals_scipy(x, mask):
    mask[..., 0] = True
    mixed, weights = scaled_dot_product_attention(x, x[::-1].copy(), x + 1, mask)
    logits = x @ np.swapaxes(x[::-1], -1, -2) / np.sqrt(4)
    expected = softmax(np.where(mask, logits, -np.inf), axis=-1)
    np.testing.assert_allclose(weights, expected, atol=2e-5)
    np.testing.assert_allclose(mixed, expected @ (x + 1), atol=2e-3)


def test_a_query_that_may_look_nowhere_gives_no_nan():
    x = np.ones((1, 1, 3, 2), "float32")
    mixed, _ = scaled_dot_product_attention(x, x, x, np.zeros((1, 1, 3, 3), bool))
    np.testing.assert_allclose(mixed, x)


@pytest.mark.parametrize("causal", [False, True])
def test_layer_equals_keras(x, causal):
    theirs = keras.layers.MultiHeadAttention(4, 4)
    mask = MASK[:, None, :] & (np.tril(np.ones((7, 7), bool)) | (not causal))
    expected = theirs(x, x, attention_mask=mask)
    ours = MultiHeadAttention(4, causal=causal)
    ours.build(x.shape)
    # Biases start at zero: fill them, or a forgotten one would not show.
    theirs.set_weights([w + 0.01 * i for i, w in enumerate(theirs.get_weights(), 1)])
    expected = theirs(x, x, attention_mask=mask)
    ours.load_keras_attention(theirs)
    # Rows that see no key differ by convention and are nobody's business.
    real = MASK & mask.any(-1)
    np.testing.assert_allclose(
        np.array(ours(x, mask=MASK))[real], np.array(expected)[real], atol=1e-5
    )


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_block_equals_keras_hub(x, norm_first, causal):
    if causal:
        theirs = keras_hub.layers.TransformerDecoder(
            32, 4, activation="gelu", normalize_first=norm_first
        )
        call = lambda: theirs(x, decoder_padding_mask=MASK[:2].repeat([2, 1], 0))  # noqa: E731
    else:
        theirs = keras_hub.layers.TransformerEncoder(
            32, 4, activation="gelu", normalize_first=norm_first
        )
        call = lambda: theirs(x, padding_mask=MASK[:2].repeat([2, 1], 0))  # noqa: E731
    call()
    theirs.set_weights([w + 0.01 * i for i, w in enumerate(theirs.get_weights(), 1)])
    mask = MASK[:2].repeat([2, 1], 0)
    ours = TransformerBlock(4, 32, causal=causal, norm_first=norm_first)
    ours.build(x.shape)
    ours.load_keras_hub_block(theirs)
    np.testing.assert_allclose(
        np.array(ours(x, mask=mask))[mask], np.array(call())[mask], atol=1e-5
    )


def test_cache_gives_what_the_full_pass_gives(x):
    layer = MultiHeadAttention(4, causal=True)
    full = layer(x)
    cache = tuple(np.zeros((3, 4, 7, 4), "float32") for _ in range(2))
    rows = []
    for t in range(7):
        row, cache = layer(x[:, t : t + 1], cache=cache, cache_index=t)
        rows.append(row)
    np.testing.assert_allclose(np.concatenate(rows, 1), full, atol=1e-5)


def test_the_future_changes_nothing(x):
    block = TransformerBlock(4, 32, causal=True)
    y = np.array(block(x))
    changed = np.array(x)
    changed[:, 5:] = 9.0
    np.testing.assert_allclose(np.array(block(changed))[:, :5], y[:, :5], atol=1e-6)
    assert np.abs(np.array(block(changed))[:, 5:] - y[:, 5:]).max() > 0.1


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="not divisible by 3 heads"):
        MultiHeadAttention(3).build((None, None, 16))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_block_survives_its_config(x, dropout):
    block = TransformerBlock(4, 32, causal=True, norm_first=False, dropout=dropout)
    y = block(x)
    again = TransformerBlock.from_config(block.get_config())
    again.build(x.shape)
    again.set_weights(block.get_weights())
    np.testing.assert_array_equal(again(x), y)
