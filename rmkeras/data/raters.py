"""Several raters of one comparison, made one comparison with a share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rmkeras.data.records import Preference
from rmkeras.errors import RmkerasError


@dataclass(slots=True)
class CombinedRaters:
    """What `combine_raters` made.

    Attributes:
        preferences: One comparison a pair, in the order of first appearance.
        counts: Numbers of `rows` given, `pairs` found, `kept` pairs, pairs that
            are `ties` (kept or not), `unanimous` pairs and `disputed` pairs (of
            those with two votes or more), and rows that are `repeated` votes of
            one rater on one pair.
        votes: Number of votes on each comparison kept.

    Example:

    >>> from rmkeras.data import Preference, combine_raters
    >>> rows = [Preference("A", "B", rater=name) for name in ("1", "2", "2")]
    >>> combined = combine_raters(rows)
    >>> combined.votes, combined.counts["unanimous"], combined.counts["repeated"]
    ([2], 1, 1)
    """

    preferences: list[Preference] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    votes: list[int] = field(default_factory=list)


def combine_raters(
    preferences: Iterable[Preference], ties: str = "keep"
) -> CombinedRaters:
    """Makes one comparison of all that several raters said about a pair.

    Rows are about one pair if they have the same prompt, aspect and two answers,
    in whichever order. The share of `n` votes for an answer,

    `share = (1 / n) * sum_i p_i`,

    counts a row's `probability` (1 if it has none), so rows that are shares
    already can be combined too. The votes of one named rater on one pair count as
    one, their mean.

    Args:
        preferences: Comparisons; `rater` may be None, then each row is another
            person's vote.
        ties: `"keep"` keeps pairs with a share of 0.5, the first row's side as
            chosen; `"drop"` leaves them out. Both count them.

    Returns:
        A `CombinedRaters`. In its comparisons `chosen` is the majority's answer,
        `probability` its share; `margin` is the mean of the margins given, a
        margin for the other side taken as negative; `source` and `id` are kept if
        all rows agree on them.

    Raises:
        RmkerasError: If `ties` is something else.

    Example:

    >>> from rmkeras.data import Preference, combine_raters
    >>> votes = [Preference("A", "B", rater="1"), Preference("B", "A", rater="2"),
    ...          Preference("B", "A", rater="3")]
    >>> combined = combine_raters(votes)
    >>> p = combined.preferences[0]
    >>> p.chosen, round(p.probability, 2), combined.counts["disputed"]
    ('B', 0.67, 1)
    """
    if ties not in ("keep", "drop"):
        raise RmkerasError(f'ties is {ties!r}; expected "keep" or "drop"')
    groups: dict[tuple, list[Preference]] = defaultdict(list)
    for p in preferences:
        sides = tuple(sorted((p.chosen, p.rejected)))
        groups[(p.prompt, sides, p.aspect)].append(p)
    names = ("rows", "pairs", "kept", "ties", "unanimous", "disputed", "repeated")
    result = CombinedRaters(counts=dict.fromkeys(names, 0))
    counts = result.counts
    for rows in groups.values():
        combined, votes = _combine(rows)
        tie = abs(combined.probability - 0.5) < 1e-9
        counts["rows"] += len(rows)
        counts["pairs"] += 1
        counts["ties"] += tie
        counts["repeated"] += len(rows) - votes
        if votes > 1:
            unanimous = combined.probability > 1 - 1e-9
            counts["unanimous" if unanimous else "disputed"] += 1
        if tie and ties == "drop":
            continue
        counts["kept"] += 1
        result.preferences.append(combined)
        result.votes.append(votes)
    return result


def _combine(rows: list[Preference]) -> tuple[Preference, int]:
    """One comparison and the number of votes that it stands for."""
    first = rows[0]
    people: dict[Any, list[float]] = defaultdict(list)
    margins = []
    for number, row in enumerate(rows):
        same = row.chosen == first.chosen
        voter = ("row", number) if row.rater is None else ("rater", row.rater)
        people[voter].append(row.probability if same else 1 - row.probability)
        if row.margin is not None:
            margins.append(row.margin if same else -row.margin)
    votes = [sum(v) / len(v) for v in people.values()]
    share = sum(votes) / len(votes)
    margin = sum(margins) / len(margins) if margins else None
    chosen, rejected = first.chosen, first.rejected
    if share < 0.5 - 1e-9:
        chosen, rejected, share = rejected, chosen, 1 - share
        margin = None if margin is None else 0.0 - margin
    combined = Preference(
        chosen,
        rejected,
        first.prompt,
        margin,
        share,
        source=_shared(rows, "source"),
        rater=_shared(rows, "rater"),
        aspect=first.aspect,
        id=_shared(rows, "id"),
    )
    return combined, len(votes)


def _shared(rows: list[Preference], name: str) -> str | None:
    values = {getattr(row, name) for row in rows}
    return values.pop() if len(values) == 1 else None
