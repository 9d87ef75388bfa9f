"""The store: who is asked what, and every answer."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rmkeras.errors import RmkerasError
from rmkeras.feedback.catalogue import Catalogue
from rmkeras.feedback.judgements import (
    ANSWERS,
    ITEM_COLUMNS,
    Answer,
    Assignment,
    Conflict,
    NotAssigned,
    Progress,
    answer_of,
    item_of,
)
from rmkeras.feedback.people import Rater
from rmkeras.feedback.tasks import check_value

_ANSWER_ID = re.compile(r"[A-Za-z0-9_.:-]{8,100}", re.ASCII)
_ITEM = ", ".join(f"i.{name}" for name in ITEM_COLUMNS.split(", "))
# Reservations of others that hold; needs :rater and :now.
_RESERVED = (
    "(SELECT count(*) FROM assignments o WHERE o.item = i.id AND o.open = 1 "
    "AND o.until > :now AND o.rater <> :rater)"
)
_NOT_SEEN = (
    "NOT EXISTS (SELECT 1 FROM assignments s WHERE s.item = i.id AND s.rater = :rater)"
)


class Store(Catalogue):
    """Items to judge, raters, and their answers, in one SQLite file.

    What `answer` has returned is on the disk: a kill -9, or a loss of power (as
    far as the disk tells the truth), does not lose it. The file may be open in
    several processes and used by many threads.

    An item is asked until `raters_per_item` people have judged it. `next_item`
    reserves one of these places for a while, so that people who work at once do
    not do more than the plan says. Undone answers and skips free their place.

    Args:
        path: The file; it is created if there is none.
        must_exist: Whether a missing file is an error.
        seed: Seed of the order of items and sides; None draws one.

    Raises:
        RmkerasError: If the file is no store, or cannot be opened.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Item, Store
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"), seed=0)
    >>> store.add_items([Item("compare", ("4", "5"), "2 + 2?")])
    1
    >>> ada = store.rater("Ada")
    >>> asked = store.next_item(ada)
    >>> sorted(asked.texts)
    ['4', '5']
    >>> given = store.answer("a-name-for-it", ada, asked.item.id, {"choice": "first"})
    >>> store.next_item(ada) is None, [a.value for a in store.answers()]
    (True, [{'choice': 'first'}])
    """

    def next_item(self, rater: Rater, task: str | None = None) -> Assignment | None:
        """Says what to ask this rater, and reserves it.

        An item that was shown and not answered yet comes again, sides as before,
        so that a page may be reloaded. Else it is a gold item if one is due, else
        the first open item by priority.

        Args:
            rater: Who is to be asked.
            task: Only items of this task.

        Returns:
            An `Assignment`, or None if there is nothing left for this rater now.
        """
        now = time.time()
        plan = self.plan
        with self.transaction() as db:
            row = self._open_assignment(db, rater, task, now)
            # At random, so that nobody can tell a gold item by its place.
            due = plan.gold_every and self._random.random() * plan.gold_every < 1
            if row is None and due:
                row = self._gold_item(db, rater, task)
            if row is None:
                row = self._open_item(db, rater, task, now)
            return row and self._assign(db, rater, item_of(row), now, plan.lease)

    def _open_assignment(self, db, rater, task, now):
        # One whose reservation is over comes again only if the place is still free.
        return db.execute(
            f"SELECT {_ITEM} FROM assignments a JOIN items i ON i.id = a.item "
            "WHERE a.rater = :rater AND a.open = 1 AND i.active = 1 "
            "AND (:task IS NULL OR i.task = :task) AND (a.until > :now "
            f"OR i.gold IS NOT NULL OR i.remaining > {_RESERVED}) "
            "ORDER BY a.created DESC LIMIT 1",
            {"rater": rater.id, "task": task, "now": now},
        ).fetchone()

    def _gold_item(self, db, rater, task):
        return db.execute(
            f"SELECT {ITEM_COLUMNS} FROM items i WHERE gold IS NOT NULL AND active = 1 "
            f"AND (:task IS NULL OR task = :task) AND {_NOT_SEEN} "
            "ORDER BY shuffle LIMIT 1",
            {"rater": rater.id, "task": task},
        ).fetchone()

    def _open_item(self, db, rater, task, now):
        return db.execute(
            f"SELECT {ITEM_COLUMNS} FROM items i INDEXED BY items_open "
            "WHERE remaining > 0 AND active = 1 AND gold IS NULL "
            f"AND (:task IS NULL OR task = :task) AND {_NOT_SEEN} "
            f"AND remaining > {_RESERVED} "
            "ORDER BY priority DESC, remaining, shuffle LIMIT 1",
            {"rater": rater.id, "task": task, "now": now},
        ).fetchone()

    def _assign(self, db, rater, item, now, lease) -> Assignment:
        shown = list(range(len(item.texts)))
        self._random.shuffle(shown)
        row = db.execute(
            "INSERT INTO assignments VALUES (?, ?, ?, 1, ?, ?) "
            "ON CONFLICT DO UPDATE SET until = excluded.until, open = 1 "
            "RETURNING shown, created",
            (item.id, rater.id, json.dumps(shown), now + lease, now),
        ).fetchone()
        undone = db.execute(
            "SELECT value FROM answers WHERE item = ? AND rater = ? "
            "AND undone IS NOT NULL ORDER BY undone DESC LIMIT 1",
            (item.id, rater.id),
        ).fetchone()
        return Assignment(
            item,
            rater,
            tuple(json.loads(row["shown"])),
            row["created"],
            undone and json.loads(undone[0]),
        )

    def assignment(self, rater: Rater, item: int) -> Assignment:
        """Looks up what a rater was shown.

        Args:
            rater: The rater.
            item: The item's number.

        Returns:
            The `Assignment`, answered or not.

        Raises:
            NotAssigned: If they were not shown this item.
        """
        row = None
        if type(item) is int and abs(item) < 1 << 63:
            row = self._db.execute(
                f"SELECT a.shown, a.created AS since, {_ITEM} FROM assignments a "
                "JOIN items i ON i.id = a.item WHERE a.item = ? AND a.rater = ?",
                (item, rater.id),
            ).fetchone()
        if row is None:
            raise NotAssigned(f"{rater.name} was not asked about item {str(item)[:40]}")
        shown = tuple(json.loads(row["shown"]))
        return Assignment(item_of(row), rater, shown, row["since"])

    def answer(
        self,
        answer_id: str,
        rater: Rater,
        item: int,
        value: Mapping[str, Any],
        seconds: float | None = None,
    ) -> Answer:
        """Stores an answer. When this returns, it is on the disk.

        The client makes up `answer_id`, once for each judgement, and sends the
        same one again when it does not know whether the first attempt arrived:
        then the stored answer comes back and nothing is counted twice. That also
        holds for one that was undone meanwhile: it stays undone.

        Args:
            answer_id: 8 to 100 letters, digits and `_.:-`; a random one such as a
                UUID.
            rater: Who answers; `next_item` has to have shown them the item.
            item: The item's number.
            value: See `check_value`; in the item's own order of texts (a page that
                showed them in another order calls `from_shown` first).
            seconds: Time that the rater took.

        Returns:
            The stored `Answer`.

        Raises:
            NotAssigned: If the rater was not asked about this item.
            Conflict: If the id belongs to another answer, or this rater has
                already answered this item under another id.
            RmkerasError: If the value does not answer the item.
        """
        if not isinstance(answer_id, str) or not _ANSWER_ID.fullmatch(answer_id):
            raise RmkerasError(
                f"the answer's id is {str(answer_id)[:40]!r}; expected 8 to 100 "
                "letters, digits and _.:-"
            )
        if seconds is not None:
            seconds = _seconds(seconds)
        plan = self.plan
        with self.transaction() as db:
            asked = self.assignment(rater, item)
            content = asked.item
            value = check_value(content, value, plan.aspects, plan.scale)
            if (old := self._stored(db, answer_id, rater, content, value)) is not None:
                return old
            skip = "skip" in value
            now = time.time()
            db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    answer_id,
                    content.id,
                    rater.id,
                    json.dumps(value, ensure_ascii=False),
                    skip,
                    json.dumps(asked.shown),
                    seconds,
                    now,
                ),
            )
            self._close(db, rater, content.id, skip)
        return Answer(
            answer_id, content.id, rater.name, value, asked.shown, seconds, now
        )

    def _stored(self, db, answer_id, rater, item, value) -> Answer | None:
        row = db.execute(f"{ANSWERS} WHERE b.id = ?", (answer_id,)).fetchone()
        if row is not None:
            old = answer_of(row)
            theirs = row["item"] == item.id and row["rater_id"] == rater.id
            if theirs and old.value == value:
                return old
            raise Conflict(f"the id {answer_id} belongs to another answer")
        other = db.execute(
            "SELECT 1 FROM answers WHERE item = ? AND rater = ? AND undone IS NULL",
            (item.id, rater.id),
        ).fetchone()
        if other is not None:
            raise Conflict(
                f"{rater.name} has answered item {item.id} already, perhaps in "
                "another window; undo that answer first"
            )
        return None

    def _close(self, db, rater, item, skip):
        db.execute(
            "UPDATE assignments SET open = 0 WHERE item = ? AND rater = ?",
            (item, rater.id),
        )
        db.execute(
            "UPDATE items SET remaining = remaining - ? WHERE id = ?", (not skip, item)
        )

    def record(
        self,
        rater: Rater,
        item: int,
        value: Mapping[str, Any],
        shown: Sequence[int] | None = None,
        seconds: float | None = None,
        answer_id: str | None = None,
    ) -> Answer:
        """Stores an answer that was given elsewhere: imported, or simulated.

        Unlike `answer` it asks nobody whether the rater was shown the item, and
        its place counts even if all places are taken.

        Args:
            rater, item, value, seconds: See `answer`.
            shown: How the texts were shown, if it is known; by default in the
                item's own order.
            answer_id: See `answer`; by default made of the item and the rater.

        Returns:
            The stored `Answer`.

        Raises:
            RmkerasError: As `answer` does.
        """
        with self.transaction() as db:
            known = self.item(item)
            shown = tuple(range(len(known.texts)) if shown is None else shown)
            if sorted(shown) != list(range(len(known.texts))):
                raise RmkerasError(
                    f"shown is {list(shown)}; expected each place of the item's "
                    f"{len(known.texts)} texts once"
                )
            db.execute(
                "INSERT OR IGNORE INTO assignments VALUES (?, ?, ?, 1, 0, ?)",
                (item, rater.id, json.dumps(list(shown)), time.time()),
            )
            if answer_id is None:
                (undone,) = db.execute(
                    "SELECT count(*) FROM answers WHERE item = ? AND rater = ? "
                    "AND undone IS NOT NULL",
                    (item, rater.id),
                ).fetchone()
                answer_id = f"recorded-{rater.id}-{item}-{undone}"
            return self.answer(answer_id, rater, item, value, seconds)

    def undo(self, rater: Rater, answer_id: str | None = None) -> Assignment | None:
        """Takes back an answer; the item is the next one that this rater is asked.

        The answer stays in the file, marked as undone.

        Args:
            rater: Whose answer.
            answer_id: Which one; the latest if None. Undoing one that is undone
                already does nothing, so a request may be repeated.

        Returns:
            The `Assignment`, with `value` what was undone; None if this rater has
            no such answer.
        """
        now = time.time()
        with self.transaction() as db:
            where = "id = ?" if answer_id is not None else "undone IS NULL"
            row = db.execute(
                f"SELECT * FROM answers WHERE rater = ? AND {where} "
                "ORDER BY created DESC, rowid DESC LIMIT 1",
                (rater.id, *([answer_id] * (answer_id is not None))),
            ).fetchone()
            if row is None:
                return None
            if row["undone"] is None:
                db.execute(
                    "UPDATE answers SET undone = ? WHERE id = ?", (now, row["id"])
                )
                db.execute(
                    "UPDATE items SET remaining = remaining + ? WHERE id = ?",
                    (not row["skip"], row["item"]),
                )
                # The latest open assignment is what next_item gives.
                db.execute(
                    "UPDATE assignments SET created = ? WHERE item = ? AND rater = ?",
                    (now, row["item"], rater.id),
                )
            item = self.item(row["item"])
            return self._assign(db, rater, item, now, self.plan.lease)

    # Looking.

    def last_answer(self, rater: Rater) -> str | None:
        """Returns the id of the answer that `undo` would take back.

        Args:
            rater: The rater.

        Returns:
            The id, or None if there is none.
        """
        row = self._db.execute(
            "SELECT id FROM answers WHERE rater = ? AND undone IS NULL "
            "ORDER BY created DESC, rowid DESC LIMIT 1",
            (rater.id,),
        ).fetchone()
        return row and row["id"]

    def progress(self, rater: Rater) -> Progress:
        """Says how far a rater is.

        Args:
            rater: The rater.

        Returns:
            A `Progress`.
        """
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(b.skip), 0), coalesce(sum(i.remaining > 0 "
            "AND i.active = 1 AND i.gold IS NULL), 0) FROM answers b "
            "JOIN items i ON i.id = b.item WHERE b.rater = ? AND b.undone IS NULL",
            (rater.id,),
        ).fetchone()
        (open,) = self._db.execute(
            "SELECT count(*) FROM items INDEXED BY items_open "
            "WHERE remaining > 0 AND active = 1 AND gold IS NULL"
        ).fetchone()
        return Progress(row[0] - row[1], row[1], max(0, open - row[2]))

    def answers(
        self,
        task: str | None = None,
        rater: Rater | None = None,
        gold: bool | None = None,
        undone: bool = False,
        skips: bool = False,
    ) -> list[Answer]:
        """Returns answers, in the order in which they were stored.

        Args:
            task: Only those to items of this task.
            rater: Only this rater's.
            gold: Only answers to gold items (True), or none of them (False).
            undone: Whether those that were taken back are among them.
            skips: Whether skips are among them.

        Returns:
            A list of `Answer`.
        """
        where, values = ["1"], []
        for condition, value in (("i.task = ?", task), ("b.rater = ?", rater)):
            if value is not None:
                where.append(condition)
                values.append(value.id if isinstance(value, Rater) else value)
        if gold is not None:
            where.append(f"i.gold IS {'NOT ' * gold}NULL")
        where += ["b.undone IS NULL"] * (not undone) + ["b.skip = 0"] * (not skips)
        sql = f"{ANSWERS} WHERE {' AND '.join(where)} ORDER BY b.rowid"
        return [answer_of(row) for row in self._db.execute(sql, values)]


def _seconds(value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise RmkerasError(f"seconds is {value!r}; expected a number from 0")
    return float(value)
