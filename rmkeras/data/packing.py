"""Several documents in one row, for language models."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rmkeras.errors import RmkerasError


class PackedRows(NamedTuple):
    """What `pack_rows` returns; all `(rows, length)` int32.

    Attributes:
        ids: Input tokens, 0 where a row is not full.
        segments: Number of the document of each token within its row, from 1; 0
            for padding. Attention stays within equal numbers.
        positions: Place of each token in its own document, from 0.
        targets: The token that follows each token in its document; 0 where none
            is to be predicted.

    Example:

    >>> from rmkeras.data import pack_rows
    >>> packed = pack_rows([[1, 5, 6, 1], [1, 7, 1]], length=5)
    >>> packed.positions.tolist(), packed.ids.shape
    ([[0, 1, 2, 0, 1]], (1, 5))
    """

    ids: np.ndarray
    segments: np.ndarray
    positions: np.ndarray
    targets: np.ndarray

    def inputs(self) -> dict[str, np.ndarray]:
        """Returns what a `CausalLM` is called with."""
        return {
            "ids": self.ids,
            "segments": self.segments,
            "positions": self.positions,
        }

    def efficiency(self) -> float:
        """Returns the share of places that hold a real token."""
        return float((self.segments > 0).mean())


def pack_rows(
    rows: Sequence[Sequence[int]],
    length: int,
    labels: Sequence[Sequence[int]] | None = None,
    alone: bool = False,
) -> PackedRows:
    """Fills rows of one length with documents, wasting next to nothing.

    The longest document comes first, each goes where the least room is left that
    holds it, or begins a row. A document that is longer than a row is cut into
    pieces, and the last token of one is the first of the next, so that each token
    but the very first is predicted once.

    Args:
        rows: Documents as lists of ids, special tokens included.
        length: Tokens a row.
        labels: The same lists with 0 where a token is not to be predicted, such as
            in a prompt; all are if `None`.
        alone: Whether each document gets a row of its own, for models that cannot
            keep documents apart.

    Returns:
        `PackedRows`.

    Raises:
        RmkerasError: If no document has two tokens, or lists disagree in length.

    Example:

    >>> from rmkeras.data import pack_rows
    >>> packed = pack_rows([[1, 5, 6, 1], [1, 7, 1]], length=5)
    >>> packed.ids.tolist(), packed.segments.tolist()
    ([[1, 5, 6, 1, 7]], [[1, 1, 1, 2, 2]])
    >>> packed.targets.tolist()
    [[5, 6, 1, 7, 1]]

    Source: Krell et al. (2021), "Efficient Sequence Packing without
    Cross-contamination", section 3.
    """
    labels = rows if labels is None else labels
    pieces = []
    for row, label in zip(rows, labels, strict=True):
        if len(row) != len(label):
            raise RmkerasError(
                f"a document has {len(row)} tokens and {len(label)} labels; expected "
                "as many of both"
            )
        for start in range(0, len(row) - 1, length):
            stop = min(start + length, len(row) - 1)
            pieces.append((row[start:stop], label[start + 1 : stop + 1]))
    if not pieces:
        raise RmkerasError("there is no document of two tokens or more to learn from")
    pieces.sort(key=lambda piece: -len(piece[0]))  # stable: ties keep their order
    bins, rooms = [], []  # rooms: sorted pairs (room left, number of the bin)
    for piece in pieces:
        size = len(piece[0])
        at = bisect.bisect_left(rooms, (size, -1))
        if alone or at == len(rooms):
            bins.append([piece])
            number, room = len(bins) - 1, length
        else:
            room, number = rooms.pop(at)
            bins[number].append(piece)
        bisect.insort(rooms, (room - size, number))
    packed = PackedRows(*np.zeros((4, len(bins), length), "int32"))
    for number, documents in enumerate(bins):
        start = 0
        for segment, (ids, targets) in enumerate(documents, 1):
            place = slice(start, start + len(ids))
            packed.ids[number, place] = ids
            packed.targets[number, place] = targets
            packed.segments[number, place] = segment
            packed.positions[number, place] = range(len(ids))
            start += len(ids)
    return packed


def packed_batches(packed: PackedRows, batch_size: int, seed=None, epoch: int = 0):
    """Batches of packed rows, all of one shape.

    Args:
        packed: `PackedRows`.
        batch_size: Rows a batch. The last batch is filled with empty rows, so that
            one compiled graph serves all.
        seed: Decides the order with `epoch`; no shuffling if `None`.
        epoch: Number of the epoch.

    Returns:
        A `tf.data.Dataset` of `(inputs, targets)`.

    Example:

    >>> from rmkeras.data import pack_rows, packed_batches
    >>> packed = pack_rows([[1, 5, 6, 1], [1, 7, 1]], length=5)
    >>> [y.shape for x, y in packed_batches(packed, batch_size=2)]
    [TensorShape([2, 5])]
    """
    import tensorflow as tf

    order = np.arange(len(packed.ids))
    if seed is not None:
        order = np.random.default_rng([seed, epoch]).permutation(order)
    steps = -(-len(order) // batch_size)
    missing = steps * batch_size - len(order)

    def take(array):
        array = np.concatenate(
            [array[order], np.zeros_like(array[:1]).repeat(missing, 0)]
        )
        return array.reshape(steps, batch_size, -1)

    inputs = {name: take(array) for name, array in packed.inputs().items()}
    dataset = tf.data.Dataset.from_tensor_slices((inputs, take(packed.targets)))
    return dataset.prefetch(1)
