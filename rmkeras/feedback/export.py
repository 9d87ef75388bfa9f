"""Answers as the records of feedback files."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from itertools import combinations
from typing import Any

from rmkeras.data.records import (
    Preference,
    PromptCompletion,
    Rating,
    Record,
    UnpairedPreference,
)
from rmkeras.data.writers import atomic_write, check_output_name
from rmkeras.errors import RmkerasError
from rmkeras.feedback.judgements import Answer
from rmkeras.feedback.store import Store
from rmkeras.feedback.tasks import Item

EXPORTS = ("preference", "rating", "unpaired-preference", "prompt-completion")
"""Types of feedback files that answers can become."""


def export_records(
    store: Store, kind: str | None = None, gold: bool = False, anonymous: bool = False
) -> Iterator[Record]:
    """Yields what the answers say as feedback records, one rater at a time.

    | type | from |
    | --- | --- |
    | preference | a comparison; a tie has `probability` 0.5, both bad says nothing |
    | | a ranking of K: the K(K-1)/2 comparisons that it implies |
    | | an edit that changed something: the edited text is `chosen` |
    | rating | each aspect that was rated |
    | unpaired-preference | a comparison: chosen good, rejected bad; both bad twice bad |
    | prompt-completion | an edit: the prompt and the edited text |

    Skipped and undone answers say nothing. `combine_raters` makes one comparison of
    several raters' records.

    Args:
        store: The store.
        kind: One of `EXPORTS`; by default `"rating"` if all items are to be rated,
            else `"preference"`.
        gold: Whether answers to gold items are among them.
        anonymous: Whether raters are called `rater-1`, `rater-2`, ... instead of
            their names.

    Yields:
        Records in the order of the answers, with `rater`, `aspect`, `source` and
        `id` where the type has them. Time, side order and remarks are in
        `export_answers`.

    Raises:
        RmkerasError: If there is no such type.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Item, Store, export_records
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"))
    >>> store.add_items([Item("compare", ("4", "5"), "2 + 2?")])
    1
    >>> given = store.record(store.rater("Ada"), 1, {"choice": "first"})
    >>> [record.to_dict() for record in export_records(store)]
    [{'prompt': '2 + 2?', 'chosen': '4', 'rejected': '5', 'rater': 'Ada'}]

    Source: Ouyang et al. (2022), section 3.5, for rankings as comparisons.
    """
    if kind is None:
        kind = default_kind(store)
    if kind not in EXPORTS:
        raise RmkerasError(
            f"answers cannot become {kind!r}; expected one of {', '.join(EXPORTS)}"
        )
    make = {
        "preference": _preferences,
        "rating": _ratings,
        "unpaired-preference": _unpaired,
        "prompt-completion": _completions,
    }[kind]
    items = {item.id: item for item in store.items()}
    names = _names(store, anonymous)
    for answer in store.answers(gold=None if gold else False):
        # An item that was withdrawn is none any more.
        if (item := items.get(answer.item)) is not None:
            yield from make(item, answer, names[answer.rater])


def default_kind(store: Store) -> str:
    """Says which type of record most fits what the store asks.

    Args:
        store: The store.

    Returns:
        `"rating"` if all items are to be rated, else `"preference"`.
    """
    tasks = {item.task for item in store.items()}
    return "rating" if tasks == {"rate"} else "preference"


def export_answers(store: Store, anonymous: bool = False) -> Iterator[dict[str, Any]]:
    """Yields every answer with all that is known about it, ready for JSON.

    Args:
        store: The store.
        anonymous: See `export_records`.

    Yields:
        Dictionaries: the fields of `Answer` (undone ones and skips too) and of its
        `Item`.
    """
    items = {item.id: item for item in store.items()}
    names = _names(store, anonymous)
    for answer in store.answers(undone=True, skips=True):
        row = asdict(answer) | {"rater": names[answer.rater]}
        row["shown"] = list(answer.shown)
        item = items.get(answer.item)
        yield row | {"item": None if item is None else _plain(item)}


def write_answers(path: str | os.PathLike, rows: Iterator[dict[str, Any]]) -> int:
    """Writes what `export_answers` yields, as JSON lines.

    Args:
        path: A name that ends in `.jsonl` or `.jsonl.gz`.
        rows: The rows.

    Returns:
        How many were written.

    Raises:
        RmkerasError: If the file cannot be written.
    """
    path = check_output_name(path)
    if not path.name.lower().removesuffix(".gz").endswith(".jsonl"):
        raise RmkerasError(f"{path}: everything goes into .jsonl or .jsonl.gz only")
    count = 0
    with atomic_write(path) as file, contextlib.ExitStack() as stack:
        stream: Any = file
        if path.name.lower().endswith(".gz"):
            stream = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))
        for row in rows:
            stream.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
            count += 1
    return count


def _plain(item: Item) -> dict[str, Any]:
    found = asdict(item) | {"texts": list(item.texts)}
    return {k: v for k, v in found.items() if v not in (None, "")}


def _names(store: Store, anonymous: bool) -> dict[str, str]:
    people = [*store.raters(), store.teacher()]
    return {
        r.name: f"rater-{number}" if anonymous else r.name
        for number, r in enumerate(people, 1)
    }


def _preferences(item: Item, answer: Answer, name: str) -> Iterator[Preference]:
    extra = {
        "source": item.source,
        "rater": name,
        "aspect": item.aspect,
        "id": item.source_id,
    }
    value = answer.value
    if item.task == "compare" and value["choice"] != "bad":
        a, b = item.texts
        chosen, rejected = (b, a) if value["choice"] == "second" else (a, b)
        share = 0.5 if value["choice"] == "tie" else 1.0
        yield Preference(chosen, rejected, item.prompt, probability=share, **extra)
    elif item.task == "rank":
        for better, worse in combinations(value["ranking"], 2):
            pair = item.texts[better], item.texts[worse]
            yield Preference(*pair, item.prompt, **extra)
    elif item.task == "edit" and value["text"].strip() != item.texts[0].strip():
        yield Preference(value["text"], item.texts[0], item.prompt, **extra)


def _ratings(item: Item, answer: Answer, name: str) -> Iterator[Rating]:
    for aspect, rating in answer.value.get("ratings", {}).items():
        yield Rating(
            item.texts[0],
            float(rating),
            item.prompt or None,
            name,
            aspect,
            item.source,
            item.source_id,
        )


def _unpaired(item: Item, answer: Answer, name: str) -> Iterator[UnpairedPreference]:
    good = {"first": (True, False), "second": (False, True), "bad": (False, False)}
    labels = good.get(answer.value.get("choice", ""), ())
    for text, label in zip(item.texts, labels, strict=False):
        yield UnpairedPreference(item.prompt, text, label)


def _completions(item: Item, answer: Answer, name: str) -> Iterator[PromptCompletion]:
    if item.task == "edit":
        yield PromptCompletion(item.prompt, answer.value["text"])
