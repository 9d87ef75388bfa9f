"""Answers that were given elsewhere, taken into the store."""

from __future__ import annotations

import math
import os
import secrets
import shlex
import warnings
from collections import Counter, defaultdict
from typing import Any

from rmkeras.data import ChatTemplate, CheckReport, check_records
from rmkeras.data.exports import open_export
from rmkeras.data.problems import Problem, file_name
from rmkeras.data.readers import worth_telling
from rmkeras.data.records import Preference, Rating
from rmkeras.errors import RmkerasError
from rmkeras.feedback.store import Store
from rmkeras.feedback.tasks import Item, check_value

NOBODY = "imported"
"""Rater of records that name none."""

OVERALL = "overall"
"""Aspect of ratings that name none."""

MOST = 20
"""Most steps from the lowest to the highest rating; see `Plan`."""


def import_answers(
    store: Store, path: str | os.PathLike, template: ChatTemplate | None = None
) -> dict[str, int]:
    """Takes judgements of a feedback file into the store, with their raters.

    Comparisons become answers to `compare`, ratings (all aspects of one text by one
    rater together) to `rate`; the texts become items if they are none yet. Taking
    the same file in again changes nothing.

    Args:
        store: The store; its plan has the aspects and the scale of the ratings.
        path: Comparisons or ratings; see `rmkeras.data.read_records`. A
            comparison's `probability` of 0.5 is a tie.
        template: How chat messages become strings.

    Returns:
        Numbers of `answers` that are new, of those that were `known`, of
        `conflicts` (this rater has said something else already; that stays), and of
        new `items`.

    Raises:
        RmkerasError: If the file is wrong, or holds something else, or rates what
            the plan does not have; then nothing was changed. The line and the rater
            are named.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Store
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "f.jsonl").write_text(
    ...     '{"prompt": "2 + 2?", "chosen": "4", "rejected": "5", "rater": "Ada"}')
    >>> store = Store(folder / "answers.db")
    >>> import_answers(store, folder / "f.jsonl")["answers"]
    1
    """
    report = check_records(path, template=template)
    report.raise_if_bad()
    for warning in worth_telling(report):
        warnings.warn(warning, UserWarning, stacklevel=2)
    records = report.records
    if isinstance(records[0], Preference):
        given = [
            (line, *_compared(record))
            for line, record in zip(report.lines, records, strict=True)
        ]
    elif isinstance(records[0], Rating):
        given = list(_rated(store, report))
    else:
        raise RmkerasError(
            f"{path}: holds no judgements; expected comparisons or ratings. To have "
            "its texts judged, give it as --data"
        )
    counts: Counter = Counter(answers=0, known=0, conflicts=0, items=0)
    with store.transaction():
        numbers = {item.key: item for item in store.items()}
        answers = store.answers(skips=True)
        said = {(a.item, a.rater): a.value for a in answers}
        for line, name, item, value in given:
            try:
                _take(store, numbers, said, name, item, value, counts)
            except RmkerasError as error:
                hint = _remedy(store, records) if item.task == "rate" else ""
                raise _refused(path, line, name, error, hint) from error
    return dict(counts)


def _refused(path, line, name, error, hint="") -> RmkerasError:
    # Exports of other programs count records, as the reader's complaints do.
    unit = "record" if open_export(path) is not None else "line"
    found = f"rater {name!r}: {error}"
    problem = Problem(file_name(path), line, None, found, "", hint, unit=unit)
    return RmkerasError(str(problem))


def _take(store, numbers, said, name, item, value, counts) -> None:
    # A comparison is the same whichever of its texts stands first.
    known = numbers.get(item.key)
    if known is None and item.task == "compare":
        turned = Item("compare", item.texts[::-1], item.prompt, item.aspect)
        if (known := numbers.get(turned.key)) is not None:
            swap = {"first": "second", "second": "first"}
            value = {"choice": swap.get(value["choice"], value["choice"])}
    if known is None:
        counts["items"] += store.add_items([item])
        known = store.item_of_key(item.key)
        numbers[item.key] = known
    rater = store.rater(name)
    if (old := said.get((known.id, rater.name))) is not None:
        same = {k: v for k, v in old.items() if k != "note"} == value
        counts["known" if same else "conflicts"] += 1
        return
    # An earlier import may have been undone since: then this is a new answer.
    given = store.record(rater, known.id, value, answer_id=secrets.token_hex(16))
    said[known.id, rater.name] = given.value
    counts["answers"] += 1


def _compared(record: Preference) -> tuple[str, Item, dict[str, Any]]:
    texts = record.chosen, record.rejected
    choice = "first"
    if abs(record.probability - 0.5) < 1e-9:
        choice = "tie"
    elif record.probability < 0.5:
        choice = "second"
    item = Item(
        "compare", texts, record.prompt, record.aspect, record.source, record.id
    )
    return record.rater or NOBODY, item, {"choice": choice}


def _rated(store: Store, report: CheckReport):
    groups: dict[tuple, dict[str, float]] = defaultdict(dict)
    items: dict[tuple, Item] = {}
    lines: dict[tuple, int] = {}
    plan = store.plan
    for line, record in zip(report.lines, report.records, strict=True):
        name = record.rater or NOBODY
        item = Item(
            "rate",
            (record.text,),
            record.prompt or "",
            source=record.source,
            source_id=record.id,
        )
        key = name, item.key
        items.setdefault(key, item)
        lines.setdefault(key, line)
        rated = {record.aspect or OVERALL: record.rating}
        try:
            check_value(item, {"ratings": rated}, plan.aspects, plan.scale, whole=False)
        except RmkerasError as error:
            hint = _remedy(store, report.records)
            raise _refused(report.file, line, name, error, hint) from error
        groups[key] |= rated
    for key, ratings in groups.items():
        yield lines[key], key[0], items[key], {"ratings": ratings}


def _remedy(store: Store, ratings: list[Rating]) -> str:
    """The options with which the plan has what a file rates."""
    plan = store.plan
    aspects = list(dict.fromkeys(r.aspect or OVERALL for r in ratings))
    low = math.floor(min(r.rating for r in ratings))
    high = math.ceil(max(r.rating for r in ratings))
    options, more = [], ""
    if set(aspects) != set(plan.aspects):
        options.append(f"--aspects {shlex.quote(','.join(aspects))}")
        # What people are asked about stays as it is once they have answered.
        if any("ratings" in answer.value for answer in store.answers()):
            more = f" and another --db: {store.path} has ratings of other aspects"
    if low < plan.scale[0] or high > plan.scale[1]:
        if low == high:
            low, high = min(low, plan.scale[0]), max(high, plan.scale[1])
        if high - low > MOST:
            return f"a scale has at most {MOST + 1} whole numbers; divide the ratings"
        options.append(f"--scale={low},{high} (or the whole scale that was offered)")
    return f"to take them in, add {' '.join(options)}{more}" if options else ""
