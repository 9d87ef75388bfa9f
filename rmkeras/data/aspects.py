"""Ratings of several aspects, a row each, gathered into one example a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from rmkeras.data.records import Rating
from rmkeras.errors import RmkerasError

OVERALL = "overall"
"""What ratings without an aspect are called beside others that have one."""


@dataclass(frozen=True, slots=True)
class RatedAspects:
    """One text and what people said about each aspect of it.

    Attributes:
        text: The text.
        ratings: By aspect, the numbers of all who rated it; an aspect that nobody
            rated is missing.
        prompt: What the text answers, if it answers anything.
        source, id: As in `Rating`, of the first row.

    Example:

    >>> from rmkeras.data import RatedAspects
    >>> text = RatedAspects("Hi", {"fluent": [1.0, 2.0]})
    >>> text.row(("fluent", "true")).tolist()
    [1.5, nan]
    """

    text: str
    ratings: dict[str, list[float]] = field(default_factory=dict)
    prompt: str | None = None
    source: str | None = None
    id: str | None = None

    def row(self, aspects: Sequence[str]) -> np.ndarray:
        """Returns the mean rating of each aspect.

        Args:
            aspects: Names.

        Returns:
            `(aspects,)` float32, NaN where nobody rated.
        """
        means = [np.mean(self.ratings.get(name) or [np.nan]) for name in aspects]
        return np.array(means, "float32")


def aspect_names(
    records: Iterable[Rating] | Callable[[], Iterable[Rating]],
) -> tuple[str, ...]:
    """Finds the aspects that ratings are about.

    Args:
        records: Ratings, or a function that returns an iterator of them.

    Returns:
        Names in the order of the alphabet; ratings without one are `"overall"`.

    Example:

    >>> from rmkeras.data import Rating, aspect_names
    >>> aspect_names([Rating("a", 1.0, aspect="fluent"), Rating("a", 2.0)])
    ('fluent', 'overall')
    """
    rows = records() if callable(records) else records
    return tuple(sorted({_aspect(row) for row in rows}))


def gather_aspects(
    records: Iterable[Rating] | Callable[[], Iterable[Rating]],
    aspects: Sequence[str] | None = None,
):
    """Gathers the rows about one text, by any number of raters and aspects.

    Args:
        records: Ratings; a row that has `ratings` of single people counts as those.
            Or, for files larger than memory, a function that returns an iterator:
            then only rows that follow each other are gathered. A text that comes
            again is another example, which teaches the same.
        aspects: Those to keep; all if `None`. Texts without any are left out.

    Returns:
        `RatedAspects` in the order of first appearance: a list, or a function that
        returns an iterator.

    Example:

    >>> from rmkeras.data import Rating, gather_aspects
    >>> rows = [Rating("Hi", 1.0, aspect="fluent"), Rating("Hi", 3.0, aspect="true"),
    ...         Rating("Hi", 2.0, aspect="fluent")]
    >>> [text] = gather_aspects(rows)
    >>> text.ratings, text.row(("true", "fluent", "creative")).tolist()
    ({'fluent': [1.0, 2.0], 'true': [3.0]}, [3.0, 1.5, nan])
    """
    if callable(records):
        return lambda: _gather_runs(records(), aspects)
    found: dict[tuple, RatedAspects] = {}
    for row in records:
        _add(found.setdefault(_key(row), _empty(row)), row, aspects)
    return [text for text in found.values() if text.ratings]


def check_aspects(known: Iterable[str], rated: Iterable[str]) -> None:
    """Refuses ratings of aspects that a model does not judge.

    Args:
        known: The model's aspects.
        rated: Those of the ratings.

    Raises:
        RmkerasError: If there is another one; it is named.
    """
    known = list(known)
    if unknown := sorted(set(rated) - set(known)):
        raise RmkerasError(
            f"there are ratings of {', '.join(map(repr, unknown))}; the model judges "
            f"{', '.join(known)} (a rating without an aspect is of {OVERALL!r})"
        )


def _gather_runs(rows, aspects) -> Iterator[RatedAspects]:
    for _, run in groupby(rows, _key):
        text = None
        for row in run:
            text = text or _empty(row)
            _add(text, row, aspects)
        if text.ratings:
            yield text


def _key(row):
    return row.prompt or "", row.text


def _aspect(row) -> str:
    return row.aspect or OVERALL


def _empty(row) -> RatedAspects:
    return RatedAspects(row.text, {}, row.prompt, row.source, row.id)


def _add(text, row, aspects) -> None:
    name = _aspect(row)
    if aspects is None or name in aspects:
        people = row.ratings or (row.rating,)
        text.ratings.setdefault(name, []).extend(float(p) for p in people)
