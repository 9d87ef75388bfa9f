"""Answers of raters to items as arrays: the form that the rater models take."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answered what with what, as numbers.

    Attributes:
        items: The items, in the order of first appearance.
        raters: The raters, in the order of first appearance.
        item: For each answer the position of its item `(answers,)`.
        rater: For each answer the position of its rater `(answers,)`.
    """

    items: tuple[Hashable, ...]
    raters: tuple[Hashable, ...]
    item: np.ndarray
    rater: np.ndarray

    @classmethod
    def of(cls, items: Sequence[Hashable], raters: Sequence[Hashable]) -> Answers:
        """Numbers items and raters.

        Args:
            items: The item of each answer.
            raters: The rater of each answer.

        Returns:
            An `Answers`.

        Raises:
            ValueError: If there is no answer, or the lists differ in length.

        Example:

        >>> Answers.of(["a", "b", "a"], ["Ada", "Ada", "Bob"]).rater
        array([0, 0, 1])
        """
        same_length(items=items, raters=raters)
        if not len(items):
            raise ValueError("no answers; expected at least one")
        item_names, item = number(items)
        rater_names, rater = number(raters)
        return cls(item_names, rater_names, item, rater)

    def per_item(self, values: np.ndarray) -> np.ndarray:
        """Sums values over the answers of each item.

        Args:
            values: A number for each answer `(answers,)`.

        Returns:
            Sums `(items,)`.
        """
        return np.bincount(self.item, values, minlength=len(self.items))

    def per_rater(self, values: np.ndarray) -> np.ndarray:
        """Sums values over the answers of each rater.

        Args:
            values: A number for each answer `(answers,)`.

        Returns:
            Sums `(raters,)`.
        """
        return np.bincount(self.rater, values, minlength=len(self.raters))

    def groups(self) -> np.ndarray:
        """Finds the groups of items that raters connect, directly or over others.

        Returns:
            For each item the number of its group, from 0 `(items,)`.

        Example:

        >>> Answers.of([1, 2, 2, 3], ["Ada", "Ada", "Bob", "Cy"]).groups()
        array([0, 0, 1], dtype=int32)
        """
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        n = len(self.items)
        edges = (np.ones(len(self.item)), (self.item, n + self.rater))
        size = n + len(self.raters)
        _, label = connected_components(coo_matrix(edges, (size, size)), directed=False)
        return label[:n]


def number(names: Sequence[Hashable]) -> tuple[tuple[Hashable, ...], np.ndarray]:
    """Gives names numbers in the order in which they appear.

    Args:
        names: Any hashable values.

    Returns:
        The different names, and for each value the position of its name.

    Example:

    >>> number(["b", "a", "b"])
    (('b', 'a'), array([0, 1, 0]))
    """
    at: dict[Hashable, int] = {}
    codes = np.array([at.setdefault(name, len(at)) for name in names], "int64")
    return tuple(at), codes


def same_length(**columns: Sequence) -> None:
    """Makes sure that columns of answers belong together.

    Args:
        **columns: Sequences by name; None is left out.

    Raises:
        ValueError: If their lengths differ.
    """
    lengths = {name: len(c) for name, c in columns.items() if c is not None}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{n} {name}" for name, n in lengths.items())
        raise ValueError(f"one of each is needed for every answer; got {told}")
