import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.data import mask_tokens


def by_hand(ids, vocabulary_size, mask_id, seed, rate):
    """The rule of the paper, one token at a time."""
    generator = np.random.default_rng(seed)
    number = generator.random(ids.shape)
    other = generator.integers(2, vocabulary_size, ids.shape)
    inputs, targets = ids.copy(), np.zeros_like(ids)
    for i in range(ids.shape[0]):
        for j in range(ids.shape[1]):
            if ids[i, j] in (0, 1) or number[i, j] >= rate:
                continue
            targets[i, j] = ids[i, j]
            share = number[i, j] / rate
            if share < 0.8:
                inputs[i, j] = mask_id
            elif share < 0.9:
                inputs[i, j] = other[i, j]
    return inputs, targets


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 30),
    st.integers(0, 1000),
    st.floats(0.05, 0.95),
)
def test_it_is_the_loop(rows, length, seed, rate):
    ids = np.random.default_rng(seed).integers(0, 12, (rows, length)).astype("int32")
    found = mask_tokens(ids, 12, 12, seed, rate)
    expected = by_hand(ids, 12, 12, seed, rate)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_shares_are_those_of_the_paper():
    ids = np.full((1000, 200), 7, "int32")
    inputs, targets = mask_tokens(ids, 1000, 1000, 1)
    chosen = targets != 0
    n = chosen.sum()
    shares = [chosen.mean(), (inputs == 1000).sum() / n]
    shares += [(chosen & (inputs == 7)).sum() / n]
    for share, expected, size in zip(
        shares, [0.15, 0.8, 0.1], [ids.size, n, n], strict=True
    ):
        error = np.sqrt(expected * (1 - expected) / size)
        assert abs(share - expected) < 4 * error
    np.testing.assert_array_equal(inputs[~chosen], ids[~chosen])


def test_special_tokens_stay_and_seeds_decide():
    ids = np.array([[1, 5, 6, 7, 8, 1, 0, 0]] * 50, "int32")
    inputs, targets = mask_tokens(ids, 20, 20, [3, 0], rate=0.9)
    special = ids < 2
    np.testing.assert_array_equal(inputs[special], ids[special])
    assert not targets[special].any()
    np.testing.assert_array_equal(inputs, mask_tokens(ids, 20, 20, [3, 0], 0.9)[0])
    assert (inputs != mask_tokens(ids, 20, 20, [3, 1], 0.9)[0]).any()


@pytest.mark.parametrize("rate", [0, 1, -0.1])
def test_a_rate_out_of_range(rate):
    with pytest.raises(ValueError, match="between 0 and 1"):
        mask_tokens(np.ones((1, 2)), 9, 9, 0, rate)
