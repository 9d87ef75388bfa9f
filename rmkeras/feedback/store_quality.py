"""The tests of raters on what a store holds."""

from __future__ import annotations

import zlib

from rmkeras.feedback.quality import RaterQuality, check_raters
from rmkeras.feedback.store import Store
from rmkeras.feedback.tasks import CHOICES


def check_store(
    store: Store, task: str = "compare", aspect: str | None = None, **options
) -> list[RaterQuality]:
    """Looks for random clickers among a store's raters; see `check_raters`.

    Args:
        store: The store.
        task: `"compare"` or `"rate"`.
        aspect: Of ratings, which aspect; the plan's first one if None.
        **options: Passed to `check_raters`, such as `false_alarms`.

    Returns:
        A `RaterQuality` for each rater with an answer to such an item; none if
        there is no answer.

    Raises:
        ValueError: If the task is another one.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Item, Store
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"))
    >>> store.add_items([Item("compare", ("4", "5"), "2 + 2?", raters=2)])
    1
    >>> for name in ("Ada", "Bob"):
    ...     _ = store.record(store.rater(name), 1, {"choice": "first"}, seconds=9)
    >>> [(q.rater, q.answers, q.seconds, q.suspected) for q in check_store(store)]
    [('Ada', 1, 9.0, False), ('Bob', 1, 9.0, False)]
    """
    if task not in ("compare", "rate"):
        raise ValueError(f"task is {task!r}; expected compare or rate")
    items = {item.id: item for item in store.items()}
    given = [a for a in store.answers(task=task) if a.item in items]
    known = {i: item.gold for i, item in items.items() if item.gold is not None}
    if task == "rate":
        aspect = aspect or store.plan.aspects[0]
        given = [a for a in given if aspect in a.value["ratings"]]
        said = [a.value["ratings"][aspect] for a in given]
        gold = {i: g["ratings"][aspect] for i, g in known.items() if aspect in g.get("ratings", {})}  # fmt: skip
        level, left = "interval", None
    else:
        said = [_turned(a.item, a.value["choice"]) for a in given]
        gold = {i: _turned(i, g["choice"]) for i, g in known.items() if "choice" in g}
        level, left = "nominal", [_left(a) for a in given]
    if not given:
        return []
    seconds = [a.seconds for a in given]
    return check_raters(
        [a.item for a in given],
        [a.rater for a in given],
        said,
        level=level,
        seconds=None if all(s is None for s in seconds) else seconds,
        left=left,
        gold=gold or None,
        **options,
    )


def _left(answer) -> bool | None:
    """Whether the text shown first won; None if neither did."""
    choice = answer.value["choice"]
    return None if choice in CHOICES[2:] else answer.shown[0] == CHOICES.index(choice)


def _turned(item: int, choice: str) -> str:
    """The choice with the item's two sides exchanged in half of the items.

    In a file of comparisons the first text may always be the better one; then a
    rater's answers would say nothing when they are shuffled over the items.
    """
    if choice in CHOICES[:2] and zlib.crc32(str(item).encode()) & 1:
        return CHOICES[1 - CHOICES.index(choice)]
    return choice
