"""What the store gives out: assignments, answers, progress."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rmkeras.errors import RmkerasError
from rmkeras.feedback.people import Rater
from rmkeras.feedback.tasks import Item

ITEM_COLUMNS = "id, task, content, source, source_id, gold, wanted, own, priority"
"""What `item_of` needs."""

ANSWERS = (
    "SELECT b.*, b.rater AS rater_id, r.name AS rater_name FROM answers b "
    "JOIN raters r ON r.id = b.rater JOIN items i ON i.id = b.item"
)
"""What `answer_of` needs."""


class Conflict(RmkerasError):
    """An answer that contradicts one that is stored already.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Item, Store
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"), seed=0)
    >>> _ = store.add_items([Item("compare", ("4", "5"), "2 + 2?")])
    >>> ada = store.rater("Ada")
    >>> item = store.next_item(ada).item.id
    >>> _ = store.answer("answer-1", ada, item, {"choice": "first"})
    >>> store.answer("answer-1", ada, item, {"choice": "second"})
    Traceback (most recent call last):
    rmkeras.feedback.judgements.Conflict: the id answer-1 belongs to another answer
    """


class NotAssigned(RmkerasError):
    """An answer to an item that this rater was not asked about.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Store
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"), seed=0)
    >>> store.answer("answer-1", store.rater("Ada"), 7, {"choice": "first"})
    Traceback (most recent call last):
    rmkeras.feedback.judgements.NotAssigned: Ada was not asked about item 7
    """


@dataclass(frozen=True, slots=True)
class Assignment:
    """An item as one rater sees it.

    Attributes:
        item: The item.
        rater: Who is asked.
        shown: Which text stands in which place: `shown[0]` is the place in
            `item.texts` of the text shown first. Random, drawn once, kept.
        created: When it was first shown, in seconds since 1970.
        value: The value that the rater has undone, or None.

    Example:

    >>> from rmkeras.feedback import Assignment, Item, Rater
    >>> item = Item("compare", ("4", "5"), "2 + 2?")
    >>> Assignment(item, Rater(1, "Ada"), shown=(1, 0), created=0.0).texts
    ('5', '4')
    """

    item: Item
    rater: Rater
    shown: tuple[int, ...]
    created: float
    value: Mapping[str, Any] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts in the order in which they are shown."""
        return tuple(self.item.texts[i] for i in self.shown)


@dataclass(frozen=True, slots=True)
class Answer:
    """One judgement.

    Attributes:
        id: What the client called it.
        item: The item's number.
        rater: The rater's name.
        value: See `check_value`; in the item's own order of texts.
        shown: As in `Assignment`.
        seconds: Time that the rater took, if it was measured.
        created: When it was stored, in seconds since 1970.
        undone: When it was taken back, or None.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Item, Store
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"), seed=0)
    >>> store.add_items([Item("compare", ("4", "5"), "2 + 2?")])
    1
    >>> ada = store.rater("Ada")
    >>> item = store.next_item(ada).item
    >>> _ = store.answer("a-name-for-it", ada, item.id, {"choice": "tie"}, seconds=3.0)
    >>> [(a.rater, a.value, a.seconds) for a in store.answers()]
    [('Ada', {'choice': 'tie'}, 3.0)]
    """

    id: str
    item: int
    rater: str
    value: Mapping[str, Any]
    shown: tuple[int, ...]
    seconds: float | None
    created: float
    undone: float | None = None

    @property
    def skip(self) -> bool:
        """Whether the rater gave no judgement."""
        return "skip" in self.value


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one rater is.

    Attributes:
        answered: Items judged.
        skipped: Items skipped.
        left: Items that this rater may still be asked, others' work permitting.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Item, Store
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"), seed=0)
    >>> store.add_items([Item("rate", ("Air scatters blue.",), "Why is the sky blue?")])
    1
    >>> store.progress(store.rater("Ada"))
    Progress(answered=0, skipped=0, left=1)
    """

    answered: int
    skipped: int
    left: int


def item_of(row: sqlite3.Row) -> Item:
    """Makes an item of a row with `ITEM_COLUMNS`.

    Args:
        row: The row.

    Returns:
        An `Item`.
    """
    content = json.loads(row["content"])
    item = Item(
        row["task"],
        tuple(content["texts"]),
        content["prompt"],
        content.get("aspect"),
        row["source"],
        row["source_id"],
        None if row["gold"] is None else json.loads(row["gold"]),
        row["wanted"] if row["own"] else None,
        row["priority"],
    )
    return replace(item, id=row["id"])


def answer_of(row: sqlite3.Row) -> Answer:
    """Makes an answer of a row of `ANSWERS`.

    Args:
        row: The row.

    Returns:
        An `Answer`.
    """
    return Answer(
        row["id"],
        row["item"],
        row["rater_name"],
        json.loads(row["value"]),
        tuple(json.loads(row["shown"])),
        row["seconds"],
        row["created"],
        row["undone"],
    )
