import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.layers import MultiHeadAttention, rotate


def test_pairs_turn_like_complex_numbers():
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 8)).astype("float32")
    positions = np.array([[0, 1, 2, 3, 4], [7, 9, 2, 0, 1]])
    numbers = x[..., :4] + 1j * x[..., 4:]
    theta = 10_000.0 ** (-np.arange(4) / 4)
    turned = numbers * np.exp(1j * positions[:, :, None, None] * theta)
    expected = np.concatenate([turned.real, turned.imag], -1)
    np.testing.assert_allclose(rotate(x, positions), expected, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 500))
def test_attention_knows_distances_alone(shift):
    layer = _layer()
    x = np.random.default_rng(1).normal(size=(1, 6, 8)).astype("float32")
    here = layer(x, positions=np.arange(6)[None])
    there = layer(x, positions=np.arange(6)[None] + shift)
    np.testing.assert_allclose(here, there, atol=1e-3)


def _layer():
    if not hasattr(_layer, "made"):
        _layer.made = MultiHeadAttention(2, causal=True, rotary=True)
        _layer.made(np.zeros((1, 6, 8), "float32"))
        rng = np.random.default_rng(0)
        _layer.made.set_weights(
            [rng.normal(size=w.shape) for w in _layer.made.get_weights()]
        )
    return _layer.made


def test_order_matters():
    layer = _layer()
    x = np.random.default_rng(1).normal(size=(1, 6, 8)).astype("float32")
    swapped = x[:, [1, 0, 2, 3, 4, 5]]
    assert np.abs(np.array(layer(x) - layer(swapped)))[0, -1].max() > 1e-2


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="even"):
        rotate(np.zeros((1, 1, 1, 3), "float32"), np.zeros((1, 1)))
