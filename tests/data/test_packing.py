import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.data import pack_rows, packed_batches
from rmkeras.errors import RmkerasError

DOCUMENTS = st.lists(
    st.lists(st.integers(1, 50), min_size=2, max_size=30), min_size=1, max_size=20
)


def pairs_of(packed):
    """All (document so far, target), found by a loop over single tokens."""
    found = []
    for ids, segments, positions, targets in zip(*packed, strict=True):
        for t in range(len(ids)):
            if segments[t] and targets[t]:
                past = [int(ids[s]) for s in range(t + 1) if segments[s] == segments[t]]
                assert positions[t] == len(past) - 1
                found.append((tuple(past), int(targets[t])))
    return sorted(found)


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.integers(30, 60))
def test_every_token_is_predicted_from_its_own_document(rows, length):
    packed = pack_rows(rows, length)
    expected = sorted(
        (tuple(row[:t]), row[t]) for row in rows for t in range(1, len(row))
    )
    assert pairs_of(packed) == expected
    # Never more rows than twice the best, which no order can beat by more.
    tokens = sum(len(row) - 1 for row in rows)
    assert len(packed.ids) <= max(1, 2 * -(-tokens // length))


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS, st.integers(1, 9))
def test_long_documents_are_cut_and_lose_nothing(rows, length):
    packed = pack_rows(rows, length)
    targets = np.sort(packed.targets[packed.segments > 0])
    assert targets.tolist() == sorted(t for row in rows for t in row[1:])


def test_labels_say_what_is_predicted():
    packed = pack_rows([[1, 5, 6, 7, 1]], 8, labels=[[0, 0, 0, 7, 1]])
    assert packed.targets.tolist() == [[0, 0, 7, 1, 0, 0, 0, 0]]


def test_tweets_fill_rows_of_512():
    rng = np.random.default_rng(0)
    rows = [[1] * int(n) for n in rng.integers(5, 60, 2000)]
    assert pack_rows(rows, 512).efficiency() > 0.99


def test_batches_have_one_shape_and_lose_no_row():
    packed = pack_rows([[1] * n for n in range(2, 40)], 40)
    seen = 0
    shapes = set()
    for inputs, targets in packed_batches(packed, 7, seed=1):
        shapes.add(tuple(inputs["ids"].shape))
        seen += int((targets.numpy() > 0).sum())
    assert shapes == {(7, 40)} and seen == (packed.targets > 0).sum()
    orders = [
        np.concatenate([x["ids"].numpy() for x, _ in packed_batches(packed, 7, 1, e)])
        for e in (0, 0, 1)
    ]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).any()


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(RmkerasError, match="two tokens"):
        pack_rows([[1], [2]], 8)
    with pytest.raises(RmkerasError, match="3 tokens and 2 labels"):
        pack_rows([[1, 2, 3]], 8, [[1, 2]])


def test_alone_each_document_has_its_row():
    packed = pack_rows([[1, 2, 1], [1, 3, 1], [1] * 12], 6, alone=True)
    assert packed.segments.max() == 1 and len(packed.ids) == 4
