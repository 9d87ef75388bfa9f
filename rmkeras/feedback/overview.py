"""What the teacher sees: progress, agreement, what to discuss."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rmkeras.feedback.judgements import Answer
from rmkeras.feedback.people import Rater
from rmkeras.feedback.store import Store
from rmkeras.feedback.tasks import Item


@dataclass(frozen=True, slots=True)
class RaterRow:
    """One rater's work.

    Attributes:
        rater: Who.
        answered: Items judged.
        skipped: Items skipped.
        seconds: Median time an answer, or None.
        agrees: Share of the other raters' answers to the same items that are
            equal (ratings: at most one step apart), or None.
        together: How many pairs of answers that share is of.
        gold: Gold items answered right, and answered.
        left: Of the comparisons with a winner, the share where the text that was
            shown first won; far from a half is a habit, not a judgement. Or None.
    """

    rater: Rater
    answered: int
    skipped: int
    seconds: float | None
    agrees: float | None
    together: int
    gold: tuple[int, int]
    left: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Krippendorff's alpha on one thing that was asked.

    Attributes:
        what: Such as `"compare"`, or `"rate: fluent"`.
        alpha: The alpha; None if too little was judged twice to say.
        items: Items that two people or more have judged.
        level: `"nominal"`, `"ordinal"` or `"interval"`.
    """

    what: str
    alpha: float | None
    items: int
    level: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item on which people differ.

    Attributes:
        item: The item.
        said: For each rater what they said, in words.
        notes: Remarks, by rater.
        amount: From 0 to 1: the share of pairs of raters that differ; for ratings
            and rankings how far they are apart.
    """

    item: Item
    said: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    amount: float


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the work.

    Attributes:
        items: Items that are no gold items.
        wanted: Judgements that they need.
        judged: Judgements that count for that; each item counts at most as many
            as it needs.
        complete: Items that have all of theirs.
        answers: All judgements, gold items' too.
        seconds: Median time an answer, or None.
        raters: A row for each.
        agreement: One for each thing that was asked.
        disagreements: The items to discuss, the greatest disagreement first.
    """

    items: int
    wanted: int
    judged: int
    complete: int
    answers: int
    seconds: float | None
    raters: tuple[RaterRow, ...]
    agreement: tuple[Agreement, ...]
    disagreements: tuple[Disagreement, ...]


def overview(store: Store, most: int = 20) -> Overview:
    """Gathers what the teacher's page shows.

    Args:
        store: The store.
        most: Most disagreements.

    Returns:
        An `Overview`.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Item, Store
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"))
    >>> store.add_items([Item("compare", ("4", "5"), "2 + 2?", raters=2)])
    1
    >>> for name, choice in (("Ada", "first"), ("Bob", "tie")):
    ...     _ = store.record(store.rater(name), 1, {"choice": choice})
    >>> found = overview(store)
    >>> found.complete, found.disagreements[0].said
    (1, (('Ada', 'A'), ('Bob', 'tie')))
    """
    items = {item.id: item for item in store.items()}
    everything = [a for a in store.answers(skips=True) if a.item in items]
    answers = [a for a in everything if not a.skip]
    by_item: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_item[answer.item].append(answer)
    plain = [item for item in items.values() if item.gold is None]
    plan = store.plan
    each = [
        (item.raters or plan.raters_per_item, len(by_item.get(item.id, ())))
        for item in plain
    ]
    step = max(1.0, plan.scale[1] - plan.scale[0])
    return Overview(
        len(plain),
        sum(wanted for wanted, _ in each),
        sum(min(pair) for pair in each),
        sum(done >= wanted for wanted, done in each),
        len(answers),
        _median(a.seconds for a in answers),
        tuple(_rows(store, items, everything, by_item)),
        tuple(agreement(items, by_item)),
        tuple(_disagreements(items, by_item, step)[:most]),
    )


def _median(numbers) -> float | None:
    numbers = [n for n in numbers if n is not None]
    return statistics.median(numbers) if numbers else None


def _rows(store, items, everything, by_item):
    by_rater: dict[str, list[Answer]] = defaultdict(list)
    for answer in everything:
        by_rater[answer.rater].append(answer)
    for rater in store.raters():
        theirs = by_rater[rater.name]
        judged = [a for a in theirs if not a.skip]
        same = [
            _close(items[a.item], a.value, other.value)
            for a in judged
            for other in by_item[a.item]
            if other.rater != rater.name
        ]
        tested = [a for a in judged if items[a.item].gold is not None]
        right = sum(gold_is_right(items[a.item], a.value) for a in tested)
        won = [
            a.shown[0] == ("first", "second").index(a.value["choice"])
            for a in judged
            if a.value.get("choice") in ("first", "second")
        ]
        yield RaterRow(
            rater,
            len(judged),
            len(theirs) - len(judged),
            _median(a.seconds for a in judged),
            sum(same) / len(same) if same else None,
            len(same),
            (right, len(tested)),
            sum(won) / len(won) if won else None,
        )


def _close(item: Item, one: Mapping, other: Mapping) -> bool:
    if item.task == "rate":
        shared = one["ratings"].keys() & other["ratings"].keys()
        return all(abs(one["ratings"][a] - other["ratings"][a]) <= 1 for a in shared)
    return _label(item, one) == _label(item, other)


def _label(item: Item, value: Mapping):
    if item.task == "rank":
        return tuple(value["ranking"])
    return value["text"].strip() if item.task == "edit" else value["choice"]


def gold_is_right(item: Item, value: Mapping) -> bool:
    """Says whether an answer to a gold item is the right one.

    Args:
        item: The item, with `gold`.
        value: The answer; no skip.

    Returns:
        True if so; of ratings if each that `gold` names is at most one step away.

    Example:

    >>> item = Item("compare", ("4", "5"), gold={"choice": "first"})
    >>> gold_is_right(item, {"choice": "tie"})
    False
    """
    return _close(item, value, item.gold)


def agreement(
    items: Mapping[int, Item], by_item: Mapping[int, Sequence[Answer]]
) -> list[Agreement]:
    """Computes Krippendorff's alpha on each thing that was asked.

    Choices are labels; ratings are numbers on an interval scale; a ranking counts
    as its comparisons. Edits have no agreement. Gold items count too.

    Args:
        items: Items by number.
        by_item: Their judgements.

    Returns:
        One `Agreement` for each task, and for `rate` for each aspect.
    """
    rows: dict[tuple[str, str], list[list]] = defaultdict(list)
    for number, answers in by_item.items():
        item = items[number]
        values = [a.value for a in answers]
        if item.task == "compare":
            rows["compare", "nominal"].append([v["choice"] for v in values])
        elif item.task == "rate":
            for aspect in dict.fromkeys(a for v in values for a in v["ratings"]):
                said = [v["ratings"][aspect] for v in values if aspect in v["ratings"]]
                rows[f"rate: {aspect}", "interval"].append(said)
        elif item.task == "rank":
            for a in range(len(item.texts)):
                for b in range(a):
                    above = [
                        v["ranking"].index(a) < v["ranking"].index(b) for v in values
                    ]
                    rows["rank: each pair", "nominal"].append(above)
    return [_alpha(*key, found) for key, found in rows.items()]


def _alpha(what: str, level: str, rows: list[list]) -> Agreement:
    # Without Keras, which the rest of rmkeras.metrics may bring.
    from rmkeras.metrics.chance import krippendorff_alpha

    several = [row for row in rows if len(row) > 1]
    alpha = krippendorff_alpha(several, level) if several else math.nan
    return Agreement(what, None if math.isnan(alpha) else alpha, len(several), level)


def _disagreements(items, by_item, step) -> list[Disagreement]:
    found = []
    for number, answers in by_item.items():
        item = items[number]
        if len(answers) < 2 or item.task == "edit":
            continue
        amount = _amount(item, [a.value for a in answers], step)
        if amount > 0:
            said = tuple((a.rater, in_words(item, a.value)) for a in answers)
            notes = [(a.rater, a.value["note"]) for a in answers if "note" in a.value]
            found.append(Disagreement(item, said, tuple(notes), amount))
    found.sort(key=lambda d: (-d.amount, -len(d.said), d.item.id))
    return found


def _amount(item: Item, values: list[Mapping], step: float) -> float:
    pairs = [(a, b) for i, a in enumerate(values) for b in values[:i]]
    if item.task == "rate":
        gaps = [
            abs(a["ratings"][k] - b["ratings"][k]) / step
            for a, b in pairs
            for k in a["ratings"].keys() & b["ratings"].keys()
        ]
        # The widest gap: two who agree on three aspects may be worlds apart on one.
        return max(gaps, default=0.0)
    return sum(_label(item, a) != _label(item, b) for a, b in pairs) / len(pairs)


def in_words(item: Item, value: Mapping) -> str:
    """Says an answer in words, its texts called A, B, C in the item's own order.

    Args:
        item: The item.
        value: The answer.

    Returns:
        A short string.

    Example:

    >>> in_words(Item("rank", ("x", "y", "z")), {"ranking": [2, 0, 1]})
    'C > A > B'
    """
    if "skip" in value:
        return "skipped"
    if item.task == "rate":
        return ", ".join(f"{a} {r:g}" for a, r in value["ratings"].items())
    if item.task == "rank":
        return " > ".join("ABCDEFGHI"[r] for r in value["ranking"])
    if item.task == "edit":
        return value["text"]
    words = {"first": "A", "second": "B", "tie": "tie", "bad": "both bad"}
    return words[value["choice"]]
