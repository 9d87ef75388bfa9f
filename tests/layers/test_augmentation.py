import keras
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.layers import TokenSwap


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12), st.booleans(), st.integers(0, 10**6))
def test_the_same_tokens_with_end_and_padding_in_place(length, left, seed):
    row = [*range(5, 5 + length), 1]
    ids = np.zeros((3, 14), "int32")
    start = 14 - len(row) if left else 0
    ids[:, start : start + len(row)] = row
    out = np.array(TokenSwap(0.8, seed=seed)(ids, training=True))
    np.testing.assert_array_equal(out == 0, ids == 0)
    np.testing.assert_array_equal(np.sort(out), np.sort(ids))
    np.testing.assert_array_equal(out[:, start + len(row) - 1], 1)
    # A token moves by one place at most.
    assert all(
        abs(int(np.argmax(o == t)) - int(np.argmax(i == t))) <= 1
        for o, i in zip(out, ids, strict=True)
        for t in row
    )


def test_about_the_stated_share_is_swapped_and_only_in_training():
    ids = np.tile(np.arange(2, 202), (50, 1)).astype("int32")
    layer = TokenSwap(0.3, seed=0)
    np.testing.assert_array_equal(layer(ids, training=False), ids)
    moved = (np.array(layer(ids, training=True)) != ids).mean()
    assert 0.27 < moved < 0.33
    again = TokenSwap.from_config(TokenSwap(0.3, seed=0).get_config())
    np.testing.assert_array_equal(
        again(ids, training=True), TokenSwap(0.3, seed=0)(ids, training=True)
    )


def test_it_works_inside_a_model():
    inputs = keras.Input((6,), dtype="int32")
    model = keras.Model(inputs, TokenSwap(0.5, seed=1)(inputs))
    ids = np.array([[5, 6, 7, 8, 1, 0]])
    np.testing.assert_array_equal(model.predict(ids, verbose=0), ids)


def test_tokens_at_the_beginning_may_be_kept():
    ids = np.array([[9, 5, 6, 7, 8, 1, 0], [0, 0, 9, 5, 6, 7, 1]])
    out = np.array(TokenSwap(1.0, keep=1)(ids, training=True))
    assert (out[ids == 9] == 9).all() and (out != ids).any(axis=1).all()
    np.testing.assert_array_equal(np.sort(out), np.sort(ids))
