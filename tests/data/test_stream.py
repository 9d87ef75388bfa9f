import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.data.stream import TokenChunk, TokenStream
from rmkeras.errors import RmkerasError


def encode(numbers):
    """Number n becomes n tokens of value n, and n + 1 of them."""
    rows = [[[n] * n, [n] * (n + 1)] for n in numbers]
    return rows, [[float(n), 0.0] for n in numbers]


def seen(stream, batch_size, **options):
    return [t[:, 0].tolist() for _, t in stream.batches(batch_size, **options)]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=60),
    st.integers(1, 7),
    st.integers(2, 9),
    st.integers(0, 500),
)
def test_each_record_comes_once_a_pass_kept_or_not(numbers, batch, chunk, keep):
    stream = TokenStream(lambda: iter(numbers), encode, chunk=chunk, keep_tokens=keep)
    batches = seen(stream, batch, seed=3, epoch=1)
    assert sorted(n for b in batches for n in b) == sorted(map(float, numbers))
    assert len(batches) == stream.steps(batch)
    in_memory = TokenStream(numbers, encode, chunk=chunk)
    assert seen(in_memory, batch, seed=3, epoch=1) == batches
    assert seen(stream, batch, seed=3, epoch=1, skip=2) == batches[2:]


def test_the_order_is_the_epochs_own_and_batches_are_of_one_length():
    stream = TokenStream(list(range(1, 41)) * 5, encode)
    first, second = (seen(stream, 8, seed=0, epoch=e) for e in (0, 1))
    assert first != second
    assert first == seen(stream, 8, seed=0, epoch=0)
    assert max(max(b) - min(b) for b in first) <= 2


def test_batches_are_padded_behind():
    ((ids, targets),) = TokenStream([2, 3], encode).batches(2)
    assert ids.shape == (2, 2, 8)
    np.testing.assert_array_equal(ids[0, 1], [2, 2, 2, 0, 0, 0, 0, 0])
    assert targets.tolist() == [[2, 0], [3, 0]]


def test_a_dataset_of_known_length():
    dataset = TokenStream(list(range(1, 11)), encode).dataset(4, seed=0)
    assert int(dataset.cardinality()) == 3
    assert sum(len(t) for _, t in dataset) == 10


def test_a_chunk_of_which_nothing_is_left_disturbs_nothing():
    def picky(numbers):
        return encode([n for n in numbers if n > 4])

    stream = TokenStream(lambda: iter(range(1, 13)), picky, chunk=4, keep_tokens=30)
    assert stream.sizes == [0, 4, 4]
    assert sorted(n for b in seen(stream, 3, seed=0) for n in b) == list(range(5, 13))
    with pytest.raises(RmkerasError, match="no records"):
        TokenStream([1, 2], picky)


def test_one_sequence_a_record_has_no_axis_for_candidates():
    chunk = TokenChunk.pack([[[5, 6]], [[7]]], [[1.0], [0.0]])
    assert chunk.batch(np.array([1, 0]))[0].shape == (2, 8)


def test_memory_does_not_grow_with_the_file():
    # A process of its own, so that what others hold does not count.
    code = """
import resource, sys
from rmkeras.data.stream import TokenStream
n = int(sys.argv[1])
def records():
    return ([i % 50 + 1] * 300 for i in range(n))
stream = TokenStream(
    records, lambda c: ([[r] for r in c], [[0.0]] * len(c)), chunk=512, keep_tokens=1000
)
for batch in stream.batches(32, seed=0):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    small, large = (
        int(subprocess.check_output([sys.executable, "-c", code, str(n)]))
        for n in (1_000, 40_000)
    )
    assert large - small < 20  # MB; the file would take 46 more


def test_balanced_batches_have_nearly_as_many_tokens_and_no_record_twice():
    numbers = [int(n) for n in np.random.default_rng(0).integers(1, 200, 1003)]
    stream = TokenStream(numbers, encode, balance=True)
    batches = list(stream.batches(8, seed=0))
    tokens = np.array([(ids != 0).sum() for ids, _ in batches])
    apart = [
        (ids != 0).sum() for ids, _ in TokenStream(numbers, encode).batches(8, seed=0)
    ]
    whole = np.sort(tokens)[1:]  # All but the last batch, which is smaller.
    assert np.std(whole) < 0.02 * np.mean(whole) < 0.05 * np.std(apart)
    found = sorted(n for _, t in batches for n in t[:, 0])
    assert found == sorted(map(float, numbers))
    assert len(batches) == stream.steps(8)


def test_balanced_batches_go_on_where_they_stopped_and_change_with_the_epoch():
    numbers = list(range(1, 120))
    stream = TokenStream(numbers, encode, chunk=50, balance=True)
    first = seen(stream, 4, seed=0, epoch=0)
    assert seen(stream, 4, seed=0, epoch=0, skip=17) == first[17:]
    second = seen(stream, 4, seed=0, epoch=1)
    assert {frozenset(b) for b in first} != {frozenset(b) for b in second}
