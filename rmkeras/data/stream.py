"""Records of any number into batches of token ids, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from rmkeras.errors import RmkerasError

if TYPE_CHECKING:
    import tensorflow as tf


class NothingLeft(RmkerasError):
    """All was read, and there is no record to train on."""


@dataclass(slots=True)
class TokenChunk:
    """A few thousand encoded records, packed into three arrays.

    Attributes:
        tokens: All ids one after another, `(total,)` int32.
        offsets: Where each sequence begins, `(records · candidates + 1,)`.
        targets: `(records, ...)` float32.
        candidates: Sequences a record: 1 for a text, 2 for a comparison.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    targets: np.ndarray
    candidates: int

    @classmethod
    def pack(cls, rows: Sequence[Sequence[Sequence[int]]], targets) -> TokenChunk:
        """Packs encoded records.

        Args:
            rows: A list of `candidates` id lists for each record.
            targets: `(records, ...)` numbers.

        Returns:
            A `TokenChunk`.
        """
        flat = [ids for record in rows for ids in record]
        lengths = np.array([len(ids) for ids in flat], "int64")
        return cls(
            np.fromiter(chain.from_iterable(flat), "int32", int(lengths.sum())),
            np.concatenate([[0], np.cumsum(lengths)]),
            np.asarray(targets, "float32"),
            len(rows[0]) if len(rows) else 1,
        )

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each record's longest sequence, `(records,)`."""
        return self._each.max(axis=1)

    @property
    def totals(self) -> np.ndarray:
        """Tokens of all of a record's sequences together, `(records,)`."""
        return self._each.sum(axis=1)

    @property
    def _each(self) -> np.ndarray:
        return np.diff(self.offsets).reshape(-1, self.candidates)

    def batch(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pads some records to one width.

        Args:
            index: `(batch,)` numbers of records.

        Returns:
            Ids `(batch, candidates, length)`, or `(batch, length)` if there is
            one candidate, and the targets.
        """
        rows = (index[:, None] * self.candidates + np.arange(self.candidates)).ravel()
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        width = int((ends - starts).max())
        # Few widths: a stable shape costs no new buffers and no compilation.
        step = 8 if width <= 64 else 32
        width = -(-width // step) * step
        ids = np.zeros((len(rows), width), "int32")
        for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
            ids[i, : end - start] = self.tokens[start:end]
        if self.candidates > 1:
            ids = ids.reshape(len(index), self.candidates, width)
        return ids, self.targets[index]


WINDOW = 64
"""Batches that are balanced against each other. Each epoch makes new windows."""


def balanced(
    totals: np.ndarray, order: np.ndarray, batch_size: int
) -> list[np.ndarray]:
    """Deals records out so that batches have nearly as many tokens.

    Within a window of 64 batches the records are sorted by length and dealt in
    rounds, one to each batch, the longest to the batch that is lightest so far.

    Args:
        totals: Tokens of each record, `(records,)`.
        order: A permutation of the records' numbers; who shares a window.
        batch_size: Records a batch. The last batch may be smaller.

    Returns:
        A list of arrays of record numbers.

    Example:

    >>> import numpy as np
    >>> from rmkeras.data.stream import balanced
    >>> totals = np.array([1, 9, 2, 8])
    >>> [totals[part].sum() for part in balanced(totals, np.arange(4), 2)]
    [np.int64(10), np.int64(10)]

    Source: Graham (1969), "Bounds on Multiprocessing Timing Anomalies", for the
    rule of the longest first.
    """
    parts = []
    whole = len(order) - len(order) % batch_size
    for start in range(0, whole, WINDOW * batch_size):
        window = order[start : min(start + WINDOW * batch_size, whole)]
        window = window[np.argsort(-totals[window], kind="stable")]
        rounds = window.reshape(batch_size, -1)  # (batch_size, batches)
        dealt = np.empty_like(rounds)
        loads = np.zeros(rounds.shape[1], "int64")
        for i, part in enumerate(rounds):
            lightest = np.argsort(loads, kind="stable")
            dealt[i, lightest] = part
            loads[lightest] += totals[part]
        parts.extend(dealt.T)
    return parts + ([order[whole:]] if whole < len(order) else [])


@dataclass
class TokenStream:
    """Batches of records that need not fit into memory.

    Records are read in chunks. Within a chunk they are shuffled, neighbours in
    length share a batch, and the batches are shuffled again. A file that is
    sorted, by topic for instance, should be shuffled once before: records of
    different chunks never meet in one batch.

    A model that takes padding out itself has nothing from neighbours in length.
    For it `balance` deals long and short records out, so that all batches have
    nearly as many tokens: each step costs the same, few shapes occur, and a batch
    is a fair sample of the data.

    The order depends on nothing but the seed and the epoch, so that a stopped
    run can go on. Chunks are kept in memory as long as they fit into
    `keep_tokens`; beyond that they are read and encoded anew in each pass.

    Args:
        records: A list, or a function that returns a new iterator of records.
        encode: From a list of records to a pair: for each record that is kept a
            list of id lists, and the targets `(kept, ...)`.
        chunk: Records read at a time.
        keep_tokens: How many tokens may stay in memory, at 4 bytes each.
        balance: Whether batches are alike in tokens rather than their records in
            length.

    Raises:
        NothingLeft: If no record is left of all chunks; one chunk may be empty.

    Example:

    >>> from rmkeras.data.stream import TokenStream
    >>> def encode(numbers):
    ...     return [[[n] * n] for n in numbers], [[float(n)] for n in numbers]
    >>> stream = TokenStream([1, 2, 3, 4], encode)
    >>> [ids.shape for ids, _ in stream.batches(2)]
    [(2, 8), (2, 8)]
    """

    records: Sequence[Any] | Callable[[], Iterator[Any]]
    encode: Callable[[list], tuple[list, Any]]
    chunk: int = 8192
    keep_tokens: int = 50_000_000
    balance: bool = False
    sizes: list[int] = field(default_factory=list)
    tokens: int = 0
    _kept: list[TokenChunk | None] = field(default_factory=list)

    def __post_init__(self):
        held = 0
        for packed in self._read():
            self.sizes.append(len(packed))
            self.tokens += len(packed.tokens)
            held += len(packed.tokens)
            self._kept.append(packed if held <= self.keep_tokens else None)
            if 0 < len(packed) == len(self):  # the first that holds any
                self._rank = 3 if packed.candidates > 1 else 2
                self._target_shape = packed.targets.shape[1:]
        if not sum(self.sizes):
            raise NothingLeft("there are no records to train on")

    def __len__(self) -> int:
        return sum(self.sizes)

    def steps(self, batch_size: int) -> int:
        """Number of batches in one pass.

        Args:
            batch_size: Records a batch.

        Returns:
            The number; a chunk's last batch may be smaller.
        """
        return sum(-(-size // batch_size) for size in self.sizes)

    def batches(
        self, batch_size: int, seed: int | None = None, epoch: int = 0, skip: int = 0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields one pass over the records.

        Args:
            batch_size: Records a batch.
            seed: Decides the order with `epoch`; records keep their order if
                `None`, apart from being grouped by length.
            epoch: Number of the pass.
            skip: Batches to leave out at the beginning.

        Yields:
            Ids `(batch, candidates, length)` int32 and targets.
        """
        for number, packed in enumerate(self._chunks()):
            lengths = packed.lengths
            if seed is None:
                order = np.arange(len(packed))
            else:
                rng = np.random.default_rng((seed, epoch, number))
                order = rng.permutation(len(packed))
            if self.balance and seed is not None:
                parts = balanced(packed.totals, order, batch_size)
            else:
                # Stable: records of one length stay shuffled.
                order = order[np.argsort(lengths[order], kind="stable")]
                starts = np.arange(0, len(packed), batch_size)
                parts = [order[start : start + batch_size] for start in starts]
            turns = np.arange(len(parts))
            if seed is not None:
                turns = rng.permutation(turns)
            for turn in turns[skip:]:
                part = parts[turn]
                # Attention treats a few neighbours at a time.
                yield packed.batch(part[np.argsort(lengths[part], kind="stable")])
            skip = max(0, skip - len(turns))

    def dataset(
        self, batch_size: int, seed: int | None = None, epoch: int = 0
    ) -> tf.data.Dataset:
        """Returns one pass as a `tf.data.Dataset` of known length.

        Args:
            batch_size, seed, epoch: See `batches`.

        Returns:
            A dataset of int32 ids and float32 targets; the next batch is made
            while this one is trained on.
        """
        import tensorflow as tf

        signature = (
            tf.TensorSpec((None,) * self._rank, "int32"),
            tf.TensorSpec((None, *self._target_shape), "float32"),
        )
        made = tf.data.Dataset.from_generator(
            lambda: self.batches(batch_size, seed, epoch), output_signature=signature
        )
        count = tf.data.experimental.assert_cardinality(self.steps(batch_size))
        return made.apply(count).prefetch(2)

    def _chunks(self) -> Iterable[TokenChunk]:
        if all(packed is not None for packed in self._kept):
            return self._kept
        return self._read()

    def _read(self) -> Iterator[TokenChunk]:
        records = self.records() if callable(self.records) else iter(self.records)
        number = 0
        while chunk := list(islice(records, self.chunk)):
            known = self._kept[number] if number < len(self._kept) else None
            yield TokenChunk.pack(*self.encode(chunk)) if known is None else known
            number += 1
