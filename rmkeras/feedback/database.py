"""One SQLite file, used by many threads: connections, transactions, the plan."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rmkeras.errors import RmkerasError
from rmkeras.feedback.schema import connect, open_database
from rmkeras.feedback.tasks import ASPECTS


@dataclass(frozen=True, slots=True)
class Plan:
    """How the work is shared out, and what is asked.

    Attributes:
        raters_per_item: How many people judge each item.
        aspects: What `rate` asks about.
        scale: Lowest and highest rating; whole numbers between them are offered.
        gold_every: One item in so many is a gold item, while a rater has gold
            items left; 0 for none.
        lease: Seconds for which an item that was shown stays reserved. Then its
            place may go to somebody else; a late answer still counts.
        title: Heading of the page.
        guide: The teacher's guide, in Markdown.

    Example:

    >>> from rmkeras.feedback import Plan
    >>> Plan(raters_per_item=3, scale=(1, 7)).aspects
    ('truthful', 'fluent', 'creative', 'harmless')
    """

    raters_per_item: int = 1
    aspects: tuple[str, ...] = ASPECTS
    scale: tuple[int, int] = (1, 5)
    gold_every: int = 0
    lease: float = 1800.0
    title: str = "Your judgement, please"
    guide: str = ""

    def check(self) -> Plan:
        """Checks the values.

        Returns:
            The plan.

        Raises:
            RmkerasError: If one of them makes no sense.
        """
        low, high = self.scale
        names = [a.strip() for a in self.aspects]
        wrong = (
            (self.raters_per_item < 1, "raters_per_item", "1 or more"),
            (not all(names) or not names, "aspects", "at least one name"),
            (len(set(names)) < len(names), "aspects", "each name once"),
            (not 1 <= high - low <= 20, "scale", "two to twenty-one whole numbers"),
            (self.gold_every < 0, "gold_every", "0 or more"),
            (not 0 < self.lease < math.inf, "lease", "seconds above 0"),
        )
        for bad, name, expected in wrong:
            if bad:
                found = getattr(self, name)
                raise RmkerasError(f"{name} is {found!r}; expected {expected}")
        return self


class Unwritable(RmkerasError):
    """The file could not be written: the disk is full, or the file is locked."""


class Database:
    """An open store file; see `rmkeras.feedback.Store` for what is in it.

    Every thread has a connection of its own. Writers of one process wait for each
    other on a lock, because SQLite's own waiting sleeps and is unfair; those of
    different processes (a server and `rmkeras annotate invite`) wait in SQLite.

    Args:
        path: The file; it is created if there is none.
        must_exist: Whether a missing file is an error.

    Raises:
        RmkerasError: If it is no store, or cannot be opened.
    """

    def __init__(self, path: str | os.PathLike, must_exist: bool = False):
        self.path = Path(path)
        open_database(self.path, must_exist)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writing = threading.RLock()
        self._plan: tuple[str | None, Plan] = (None, Plan())
        if self._setting("secret") is None:
            with self.transaction():
                # INSERT OR IGNORE: two processes may open a new file at once.
                self._set("secret", secrets.token_hex(32), keep=True)
                self._set("plan", json.dumps(asdict(Plan())), keep=True)
        self._secret = bytes.fromhex(self._setting("secret"))

    def close(self) -> None:
        """Closes all connections. The last one folds the WAL into the file."""
        with self._writing:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    @property
    def _db(self) -> sqlite3.Connection:
        if (connection := getattr(self._local, "connection", None)) is None:
            connection = self._local.connection = connect(self.path)
            with self._writing:
                self._connections.append(connection)
        return connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Makes several changes one: all of them are on the disk, or none is.

        When the block has ended the changes are on the disk. Blocks nest; only
        the outermost one commits. One commit for many changes is much faster.

        Yields:
            The thread's connection.

        Raises:
            Unwritable: If the file cannot be written; nothing is changed then.

        Example:

        ```python
        with store.transaction():
            for rater, item, value in simulated:
                store.record(rater, item, value)
        ```
        """
        db = self._db
        if db.in_transaction:
            yield db
            return
        with self._writing:
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException as error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise Unwritable(
                        f"{self.path}: cannot be written ({error}); nothing was changed"
                    ) from error
                raise

    def _setting(self, name: str) -> str | None:
        row = self._db.execute(
            "SELECT value FROM settings WHERE name = ?", (name,)
        ).fetchone()
        return row and row[0]

    def _set(self, name: str, value: str, keep: bool = False) -> None:
        verb = "IGNORE" if keep else "REPLACE"
        self._db.execute(f"INSERT OR {verb} INTO settings VALUES (?, ?)", (name, value))

    @property
    def plan(self) -> Plan:
        """The plan, as it is now in the file."""
        text = self._setting("plan")
        known, plan = self._plan
        if text != known:
            values = json.loads(text)
            for name in ("aspects", "scale"):
                values[name] = tuple(values[name])
            plan = Plan(**values)
            self._plan = (text, plan)
        return plan

    def set_plan(self, **changes) -> Plan:
        """Changes the plan.

        Args:
            **changes: Attributes of `Plan`. A new `raters_per_item` holds for the
                items that are there too, unless they have a number of their own.

        Returns:
            The new plan.

        Raises:
            RmkerasError: If a value makes no sense.
        """
        with self.transaction() as db:
            old = self.plan
            new = replace(old, **changes).check()
            self._set("plan", json.dumps(asdict(new)))
            db.execute(
                "UPDATE items SET remaining = remaining + ? - wanted, wanted = ? "
                "WHERE own = 0 AND gold IS NULL AND wanted <> ?",
                (new.raters_per_item,) * 3,
            )
        return new
