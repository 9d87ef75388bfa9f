"""The items in the store, and the order in which they are asked."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping

from rmkeras.errors import RmkerasError
from rmkeras.feedback.judgements import ITEM_COLUMNS, item_of
from rmkeras.feedback.people import People
from rmkeras.feedback.tasks import Item, check_item


class Catalogue(People):
    """The part of the store that knows what is asked.

    Args:
        path, must_exist, seed: See `Store`.
    """

    def __init__(self, path, must_exist: bool = False, seed: int | None = None):
        super().__init__(path, must_exist)
        self._random = random.Random(seed)

    def add_items(self, items: Iterable[Item]) -> int:
        """Adds items; those that are there already (equal `Item.key`) are left.

        Args:
            items: The items. All of them are added, or none.

        Returns:
            How many are new.

        Raises:
            RmkerasError: If one cannot be asked; the message counts from 1.
        """
        plan, new = self.plan, 0
        with self.transaction() as db:
            for number, item in enumerate(items, 1):
                try:
                    item = check_item(item, plan.aspects, plan.scale)
                except RmkerasError as error:
                    raise RmkerasError(f"item {number}: {error}") from error
                wanted = item.raters or plan.raters_per_item
                new += db.execute(
                    "INSERT OR IGNORE INTO items (key, task, content, source, "
                    "source_id, gold, wanted, own, remaining, priority, shuffle, "
                    "created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        item.key,
                        item.task,
                        item.content,
                        item.source,
                        item.source_id,
                        None if item.gold is None else json.dumps(dict(item.gold)),
                        wanted,
                        item.raters is not None,
                        wanted,
                        item.priority,
                        self._random.getrandbits(62),
                        time.time(),
                    ),
                ).rowcount
        return new

    def item(self, number: int) -> Item:
        """Looks up an item.

        Args:
            number: Its `id`.

        Returns:
            The `Item`.

        Raises:
            RmkerasError: If there is none.
        """
        sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE id = ?"
        if (row := self._db.execute(sql, (number,)).fetchone()) is None:
            raise RmkerasError(f"there is no item {number!r}")
        return item_of(row)

    def item_of_key(self, key: str) -> Item | None:
        """Looks up an item by its content.

        Args:
            key: Its `Item.key`.

        Returns:
            The `Item`, or None if it is not in the store.
        """
        sql = f"SELECT {ITEM_COLUMNS} FROM items WHERE key = ?"
        row = self._db.execute(sql, (key,)).fetchone()
        return row and item_of(row)

    def items(
        self, task: str | None = None, gold: bool | None = None, open: bool = False
    ) -> Iterator[Item]:
        """Yields items in the order in which they were added.

        Args:
            task: Only those of this task.
            gold: Only gold items (True), or none of them (False).
            open: Only those that more people shall judge.

        Yields:
            Each `Item`.
        """
        where, values = ["active = 1"], []
        if task is not None:
            where.append("task = ?")
            values.append(task)
        if gold is not None:
            where.append(f"gold IS {'NOT ' * gold}NULL")
        if open:
            where.append("remaining > 0")
        sql = (
            f"SELECT {ITEM_COLUMNS} FROM items WHERE {' AND '.join(where)} ORDER BY id"
        )
        for row in self._db.execute(sql, values):
            yield item_of(row)

    def set_priorities(self, priorities: Mapping[int, float]) -> None:
        """Says which items are asked first. This is the door for active learning.

        Items with a higher priority go first; among equals those that somebody
        has judged already, so that answers become complete, then random order.

        Args:
            priorities: From an item's `id` to a finite number; others keep theirs.

        Raises:
            RmkerasError: If a number is not finite; then none is set.
        """
        rows = [(float(p), int(i)) for i, p in priorities.items()]
        if bad := [i for p, i in rows if not math.isfinite(p)]:
            raise RmkerasError(f"the priority of item {bad[0]} is not a finite number")
        with self.transaction() as db:
            db.executemany("UPDATE items SET priority = ? WHERE id = ?", rows)
