"""Raters, and the tokens that let them in."""

from __future__ import annotations

import hashlib
import hmac
import re
import sqlite3
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from rmkeras.errors import RmkerasError
from rmkeras.feedback.database import Database

_TOKEN = re.compile(r"([0-9]{1,12})\.([0-9]{1,6})\.([0-9a-f]{40})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rater:
    """One person who answers.

    Attributes:
        id: Number in the store.
        name: Name, as exports write it.
        role: `"rater"` or `"teacher"`.
        invited: Whether only the link lets them in; then typing the name does not.
        active: False when the teacher has shut them out.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Store
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"))
    >>> ada = store.rater("Ada")
    >>> ada.name, ada.role, ada.active
    ('Ada', 'rater', True)
    """

    id: int
    name: str
    role: str = "rater"
    invited: bool = False
    active: bool = True


def clean_name(name: str) -> str:
    """Returns a name as it is kept.

    Args:
        name: What somebody typed.

    Returns:
        It without spaces around it, composed (NFC), white space collapsed.

    Raises:
        RmkerasError: If it is empty, longer than 80 characters, or has characters
            that do not show, such as those that turn the direction of writing.

    Example:

    >>> clean_name("  Ada  Lovelace ")
    'Ada Lovelace'
    """
    if not isinstance(name, str):
        raise RmkerasError("the name is no text; expected a name")
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(name) <= 80:
        raise RmkerasError(
            f"the name has {len(name)} characters; expected from 1 to 80"
        )
    # Cc control, Cf format (bidi overrides, zero-width), Cs half surrogates, Co, Cn.
    if any(unicodedata.category(c).startswith("C") for c in name):
        raise RmkerasError(
            f"the name {name!a} has a character that does not show; leave it out"
        )
    return name


def _name_key(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


class People(Database):
    """The part of the store that knows who people are."""

    def rater(self, name: str, invited: bool = False) -> Rater:
        """Finds the rater of this name, or adds one.

        Args:
            name: The name; upper and lower case are the same.
            invited: Whether a new rater can come in by the link alone.

        Returns:
            A `Rater`.

        Raises:
            RmkerasError: If the name cannot be one.
        """
        return self._person(name, "rater", invited)

    def teacher(self) -> Rater:
        """Returns the teacher, who may see everything.

        Returns:
            A `Rater` with the role `"teacher"`.
        """
        return self._person("teacher", "teacher", True)

    def invite(self, names: Iterable[str]) -> list[tuple[Rater, str]]:
        """Adds raters who come in by a link.

        Args:
            names: Their names. Somebody who is there already, also one who came
                in by typing the name, needs the link from now on.

        Returns:
            For each of them the rater and the token.

        Raises:
            RmkerasError: If a name cannot be one; then nobody was added.
        """
        with self.transaction() as db:
            raters = [self.rater(name, invited=True) for name in names]
            for r in raters:
                db.execute("UPDATE raters SET invited = 1 WHERE id = ?", (r.id,))
            return [(self._rater_of_id(r.id), self.token(r)) for r in raters]

    def _person(self, name: str, role: str, invited: bool) -> Rater:
        name = clean_name(name)
        # No rater can have the teacher's key, because names are casefolded.
        key = _name_key(name) if role == "rater" else "TEACHER"
        sql = "SELECT * FROM raters WHERE name_key = ?"
        if (row := self._db.execute(sql, (key,)).fetchone()) is None:
            with self.transaction() as db:
                db.execute(
                    "INSERT OR IGNORE INTO raters "
                    "(name, name_key, role, invited, created) VALUES (?, ?, ?, ?, ?)",
                    (name, key, role, invited, time.time()),
                )
                row = db.execute(sql, (key,)).fetchone()
        return _rater(row)

    def raters(self) -> list[Rater]:
        """Returns all raters, in the order in which they came; no teacher.

        Returns:
            A list of `Rater`.
        """
        rows = self._db.execute("SELECT * FROM raters WHERE role = 'rater' ORDER BY id")
        return [_rater(row) for row in rows]

    def _rater_of_id(self, number: int) -> Rater | None:
        row = self._db.execute(
            "SELECT * FROM raters WHERE id = ?", (number,)
        ).fetchone()
        return row and _rater(row)

    def token(self, rater: Rater) -> str:
        """Returns what lets this rater in; it stays the same until `renew`.

        Tokens are not kept: each is a keyed hash (HMAC-SHA-256, 160 bits of it) of
        the rater's number and edition, under a secret of 256 bits in the file.

        Args:
            rater: The rater.

        Returns:
            A short string that can stand in a link.
        """
        (edition,) = self._db.execute(
            "SELECT edition FROM raters WHERE id = ?", (rater.id,)
        ).fetchone()
        return self._signed(rater.id, edition)

    def _signed(self, number: int, edition: int) -> str:
        return f"{number}.{edition}.{self.sign(f'token {number}.{edition}')}"

    def sign(self, text: str) -> str:
        """Returns a keyed hash of a text, under the file's secret.

        Args:
            text: What is signed.

        Returns:
            40 hexadecimal digits.
        """
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:40]

    def renew(self, rater: Rater) -> str:
        """Makes a new token; the old one lets nobody in any more.

        Args:
            rater: The rater.

        Returns:
            The new token.
        """
        with self.transaction() as db:
            db.execute(
                "UPDATE raters SET edition = edition + 1 WHERE id = ?", (rater.id,)
            )
            return self.token(rater)

    def set_active(self, rater: Rater, active: bool) -> None:
        """Shuts a rater out, or lets them in again. Their answers stay.

        Args:
            rater: The rater.
            active: Whether they may come in.
        """
        with self.transaction() as db:
            db.execute(
                "UPDATE raters SET active = ? WHERE id = ?", (bool(active), rater.id)
            )
            db.execute(
                "UPDATE assignments SET until = 0 WHERE rater = ? AND open = 1",
                (rater.id,),
            )

    def rater_of_token(self, token: str | None) -> Rater | None:
        """Finds whose token this is.

        Args:
            token: Anything.

        Returns:
            An active `Rater`, or None if it is nobody's.
        """
        match = _TOKEN.fullmatch(token) if isinstance(token, str) else None
        if match is None:
            return None
        number, edition = int(match[1]), int(match[2])
        # Compared before the look-up, so that time tells nothing about raters.
        if not hmac.compare_digest(self._signed(number, edition), token):
            return None
        row = self._db.execute(
            "SELECT * FROM raters WHERE id = ? AND edition = ? AND active = 1",
            (number, edition),
        ).fetchone()
        return row and _rater(row)


def _rater(row: sqlite3.Row) -> Rater:
    return Rater(
        row["id"],
        row["name"],
        row["role"],
        bool(row["invited"]),
        bool(row["active"]),
    )
