"""The tables of the store, their versions, and how a file is opened."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from rmkeras.errors import RmkerasError

APPLICATION_ID = 0x726D6B66
"""Written into the file's head, so that another program's file is not touched."""

MIGRATIONS = (
    # Version 1.
    """
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE items (
      id INTEGER PRIMARY KEY,
      key TEXT NOT NULL UNIQUE,        -- hash of the content: the same item once
      task TEXT NOT NULL,
      content TEXT NOT NULL,           -- JSON: prompt, texts, aspect
      source TEXT, source_id TEXT,
      gold TEXT,                       -- JSON: the right value, for gold items
      wanted INTEGER NOT NULL,         -- how many people shall judge it
      own INTEGER NOT NULL,            -- 1: that number is not the plan's
      remaining INTEGER NOT NULL,      -- how many are missing
      priority REAL NOT NULL DEFAULT 0,
      shuffle INTEGER NOT NULL,        -- random, the order among equals
      active INTEGER NOT NULL DEFAULT 1,
      created REAL NOT NULL
    );
    CREATE INDEX items_open ON items (priority DESC, remaining, shuffle)
      WHERE remaining > 0 AND active = 1 AND gold IS NULL;
    CREATE INDEX items_gold ON items (shuffle) WHERE gold IS NOT NULL AND active = 1;
    CREATE TABLE raters (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL,
      name_key TEXT NOT NULL UNIQUE,   -- without case, so that Ada and ada are one
      role TEXT NOT NULL,
      invited INTEGER NOT NULL,        -- 1: only the link lets them in
      edition INTEGER NOT NULL DEFAULT 1,  -- a new link makes the old one worthless
      active INTEGER NOT NULL DEFAULT 1,
      created REAL NOT NULL
    );
    CREATE TABLE assignments (
      item INTEGER NOT NULL REFERENCES items (id),
      rater INTEGER NOT NULL REFERENCES raters (id),
      shown TEXT NOT NULL,             -- JSON: which text stood in which place
      open INTEGER NOT NULL,
      until REAL NOT NULL,             -- when the place is given to somebody else
      created REAL NOT NULL,
      PRIMARY KEY (item, rater)
    ) WITHOUT ROWID;
    CREATE INDEX assignments_of_rater ON assignments (rater, created) WHERE open = 1;
    CREATE TABLE answers (
      id TEXT PRIMARY KEY,             -- chosen by the client
      item INTEGER NOT NULL REFERENCES items (id),
      rater INTEGER NOT NULL REFERENCES raters (id),
      value TEXT NOT NULL,             -- JSON, in terms of the item's own order
      skip INTEGER NOT NULL,
      shown TEXT NOT NULL,
      seconds REAL,
      created REAL NOT NULL,
      undone REAL
    );
    CREATE UNIQUE INDEX answers_once ON answers (item, rater) WHERE undone IS NULL;
    CREATE INDEX answers_undone ON answers (item, rater) WHERE undone IS NOT NULL;
    CREATE INDEX answers_of_rater ON answers (rater, created) WHERE undone IS NULL;
    """,
)
"""The step from each version to the next. Never change one that was released."""

VERSION = len(MIGRATIONS)
"""The version that this rmkeras writes; `PRAGMA user_version` of the file."""


def connect(path: str | os.PathLike) -> sqlite3.Connection:
    """Opens a connection on which a commit returns when its data are on the disk.

    Args:
        path: The file.

    Returns:
        A connection in autocommit mode: transactions are begun by hand.
    """
    connection = sqlite3.connect(
        path, timeout=30, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL would let the last commits of a machine that loses power go.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def open_database(path: str | os.PathLike, must_exist: bool = False) -> None:
    """Creates the file if there is none, and brings an older one up to date.

    Args:
        path: The file.
        must_exist: Whether a missing file is an error.

    Raises:
        RmkerasError: If the file is no store, was written by a newer rmkeras, or
            cannot be opened.
    """
    path = Path(path)
    if must_exist and not path.is_file():
        raise RmkerasError(
            f"{path}: there is no such file; `rmkeras annotate --db {path} --data "
            "FILE` makes one"
        )
    if not path.parent.is_dir():
        raise RmkerasError(
            f"{path}: the folder {path.parent} does not exist; create it first"
        )
    try:
        # Looked at before WAL mode is set, which would change somebody's file.
        for look, opened in ((_check_owner, sqlite3.connect), (_migrate, connect)):
            connection = opened(path)
            try:
                look(path, connection)
            finally:
                connection.close()
    except sqlite3.DatabaseError as error:
        raise RmkerasError(
            f"{path}: cannot be used as a store of answers ({error}); expected a file "
            "that rmkeras annotate made, or a new name"
        ) from error


def _check_owner(path: Path, connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != APPLICATION_ID and tables:
        raise RmkerasError(
            f"{path}: this SQLite file belongs to another program; expected one that "
            "rmkeras annotate made, or a new name"
        )
    if version > VERSION:
        raise RmkerasError(
            f"{path}: its tables have version {version}, and this rmkeras knows "
            f"{VERSION}; use the rmkeras that wrote it, or a newer one"
        )


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    # All steps in one transaction: after a crash the file is as it was.
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for script in MIGRATIONS[version:]:
        # executescript would commit first.
        for statement in _statements(script):
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _statements(script: str):
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
