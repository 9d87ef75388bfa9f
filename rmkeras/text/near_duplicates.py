"""Texts that are nearly the same, found with MinHash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rmkeras.errors import RmkerasError

PERMUTATIONS = 128
"""Length of a signature; the estimate's standard error is at most 0.044."""

_BATCH = 1024


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two texts that are nearly the same.

    Attributes:
        test: Position of the test text, counted from 0.
        train: Position of the most similar training text, counted from 0.
        similarity: Jaccard similarity of their shingles, from 0 to 1, exact.

    Example:

    >>> from rmkeras.text import near_duplicates
    >>> near_duplicates(["I left early."], ["Stay!", "i left  early"]).pairs
    [NearDuplicate(test=1, train=0, similarity=1.0)]
    """

    test: int
    train: int
    similarity: float


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What `near_duplicates` found.

    Attributes:
        pairs: For each test text that has a near-duplicate, the most similar one.
        train: Number of training texts.
        test: Number of test texts.
        threshold: Least similarity.

    Example:

    >>> from rmkeras.text import near_duplicates
    >>> found = near_duplicates(["I left early."], ["i left  early", "Stay!"])
    >>> [pair.test for pair in found.pairs], found.test
    ([0], 2)
    """

    pairs: list[NearDuplicate]
    train: int
    test: int
    threshold: float

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of `train` and `test` texts, `near` and `exact` duplicates."""
        exact = sum(p.similarity == 1 for p in self.pairs)
        return {
            "train": self.train,
            "test": self.test,
            "near": len(self.pairs),
            "exact": exact,
        }

    @property
    def share(self) -> float:
        """Share of the test texts that have a near-duplicate."""
        return len(self.pairs) / self.test if self.test else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Returns the report, ready for JSON.

        Returns:
            A dictionary.
        """
        return {
            "threshold": self.threshold,
            "counts": self.counts,
            "share": self.share,
            "pairs": [
                {"test": p.test, "train": p.train, "similarity": p.similarity}
                for p in self.pairs
            ],
        }


def shingles(text: str, size: int = 5) -> frozenset[str]:
    """Cuts a text into overlapping runs of characters.

    Case, punctuation and spacing are evened out first, so that they do not hide a
    duplicate. Characters and not words, so that a typo costs little and languages
    without spaces work.

    Args:
        text: Any string.
        size: Length of a run, in characters.

    Returns:
        The runs; of a text that is no longer than `size`, the text itself.

    Example:

    >>> sorted(shingles("So good!"))
    [' good', 'o goo', 'so go']
    """
    plain = " ".join(re.findall(r"\w+", text.casefold())) or text.strip()
    last = max(len(plain) - size, 0)
    return frozenset(plain[i : i + size] for i in range(last + 1))


def near_duplicates(
    train_texts: Iterable[str],
    test_texts: Sequence[str],
    threshold: float = 0.8,
    shingle_size: int = 5,
) -> NearDuplicates:
    """Finds test texts that are nearly the same as a training text.

    Two texts are nearly the same if the Jaccard similarity of their sets of
    shingles is at least `threshold`:

    `J(A, B) = |A ∩ B| / |A ∪ B|`.

    MinHash signatures of 128 numbers and locality-sensitive hashing find the
    candidates without comparing all pairs; each candidate's similarity is then
    computed exactly, so nothing is reported that is not so. A pair just at the
    threshold may be missed.

    Args:
        train_texts: Training texts; their signatures are held in memory.
        test_texts: Test texts.
        threshold: Least similarity, above 0 and at most 1.
        shingle_size: Length of a shingle, in characters.

    Returns:
        A `NearDuplicates`.

    Raises:
        RmkerasError: If `threshold` is out of range.

    Example:

    >>> from rmkeras.text import near_duplicates
    >>> train = ["The film was good, really good fun.", "I left early."]
    >>> near_duplicates(train, ["the film was good, really good fun"]).pairs
    [NearDuplicate(test=0, train=0, similarity=1.0)]

    Source: Broder (1997), "On the resemblance and containment of documents".
    """
    train_texts, test_texts = list(train_texts), list(test_texts)
    index = _Index(threshold, shingle_size)
    for position, (_, signature) in enumerate(index.signatures(train_texts)):
        index.lsh.insert(position, signature)
    found = []
    for position, (own, signature) in enumerate(index.signatures(test_texts)):
        candidates = sorted(index.lsh.query(signature))
        match = index.best(own, candidates, train_texts)
        if match is not None:
            found.append(NearDuplicate(position, *match))
    return NearDuplicates(found, len(train_texts), len(test_texts), threshold)


def near_duplicates_within(
    texts: Iterable[str], threshold: float = 0.8, shingle_size: int = 5
) -> NearDuplicates:
    """Finds texts that are nearly the same as an earlier one that was kept.

    Args:
        texts: Texts.
        threshold: Least similarity, above 0 and at most 1.
        shingle_size: Length of a shingle, in characters.

    Returns:
        A `NearDuplicates`; in its pairs `test` is the text to leave out and
        `train` the earlier one, which is left out nowhere.

    Raises:
        RmkerasError: If `threshold` is out of range.

    Example:

    >>> from rmkeras.text import near_duplicates_within
    >>> texts = ["It was good fun.", "it was GOOD fun", "I left early."]
    >>> near_duplicates_within(texts).pairs
    [NearDuplicate(test=1, train=0, similarity=1.0)]
    """
    texts = list(texts)
    index = _Index(threshold, shingle_size)
    found = []
    for position, (own, signature) in enumerate(index.signatures(texts)):
        match = index.best(own, sorted(index.lsh.query(signature)), texts)
        if match is None:
            index.lsh.insert(position, signature)
        else:
            found.append(NearDuplicate(position, *match))
    return NearDuplicates(found, len(texts), len(texts), threshold)


class _Index:
    def __init__(self, threshold: float, size: int):
        from datasketch import MinHashLSH

        if not 0 < threshold <= 1:
            raise RmkerasError(
                f"threshold is {threshold}; expected a number above 0 and at most 1"
            )
        self.threshold = threshold
        self.size = size
        # Missing a duplicate is worse than checking a candidate in vain; and the
        # library refuses thresholds close to 1.
        self.lsh = MinHashLSH(min(threshold, 0.9), PERMUTATIONS, weights=(0.2, 0.8))

    def signatures(self, texts: Sequence[str]):
        """Yields the shingles and the signature of each text."""
        from datasketch import MinHash

        for start in range(0, len(texts), _BATCH):
            sets = [shingles(t, self.size) for t in texts[start : start + _BATCH]]
            encoded = [[s.encode(errors="replace") for s in own] for own in sets]
            signed = MinHash.bulk(encoded, num_perm=PERMUTATIONS, seed=1)
            yield from zip(sets, signed, strict=True)

    def best(self, own: frozenset[str], candidates: Sequence[int], texts):
        """The most similar candidate at or above the threshold, or None."""
        best = None
        for position in candidates:
            other = shingles(texts[position], self.size)
            similarity = len(own & other) / len(own | other)
            if similarity >= self.threshold and (best is None or similarity > best[1]):
                best = position, similarity
        return best
