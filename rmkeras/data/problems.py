"""What is wrong with a feedback file, told so that it can be mended."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rmkeras.data.records import Record
from rmkeras.errors import RmkerasError


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint about a file.

    Attributes:
        file: The file, as it was given.
        line: Line of the file, counted from 1 as an editor does; None if the
            complaint is about the whole file.
        field: The field, or None if the complaint is about the whole line.
        found: What is there.
        expected: What should be there.
        hint: What to do.
        fatal: Whether the rest of the file could not be read because of it.
        unit: What `line` counts: lines, or records of an export, which has many
            on one line or one on many.

    Example:

    >>> print(Problem("r.csv", 17, "rating", "'good'", "a number such as 3", ""))
    r.csv:17: rating is 'good'; expected a number such as 3
    """

    file: str
    line: int | None
    field: str | None
    found: str
    expected: str
    hint: str = ""
    fatal: bool = False
    unit: str = "line"

    def __str__(self) -> str:
        """Returns the complaint as one line."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        if self.unit != "line" and self.line is not None:
            where = f"{self.file}, {self.unit} {self.line}"
        verb = "are" if self.field in ("columns", "answers") else "is"
        what = f"{self.field} {verb} {self.found}" if self.field else self.found
        parts = [f"{where}: {what}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.hint:
            parts.append(self.hint)
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes, ready for JSON.

        Returns:
            A dictionary.
        """
        return asdict(self)


@dataclass(slots=True)
class CheckReport:
    """Everything that `check_records` found in a file.

    Attributes:
        file: The file, as it was given.
        records: The good rows.
        lines: Line of each good row, counted from 1.
        problems: What makes rows, or the file, unusable.
        warnings: What is odd but usable.
        counts: Numbers of `rows`, `good` and `bad` rows, `blank` lines and
            `warnings`.
        bom: Whether the file starts with a byte-order mark.
        type: The type of its records; empty if it has none.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.data import check_records
    >>> path = pathlib.Path(tempfile.mkdtemp(), "ratings.jsonl")
    >>> rows = '{"text": "good", "rating": 2}', '{"text": "bad"}'
    >>> _ = path.write_text("\\n".join(rows))
    >>> report = check_records(path)
    >>> report.lines, report.counts["bad"]
    ([1], 1)
    """

    file: str
    records: list[Record] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    bom: bool = False
    type: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is no problem; warnings do not count."""
        return not self.problems

    def raise_if_bad(self, hint: str = "") -> None:
        """Raises the problems as one message.

        Args:
            hint: A last line that says what else can be done.

        Raises:
            RmkerasError: If there is a problem.
        """
        if self.problems:
            lines = [str(p) for p in self.problems[:SHOWN]]
            if (more := len(self.problems) - SHOWN) > 0:
                lines.append(
                    f"... and {more} more; to see all: rmkeras data check {self.file} "
                    "--json"
                )
            raise RmkerasError("\n".join(lines + [hint] * bool(hint)))

    def to_dict(self) -> dict[str, Any]:
        """Returns the report without the records, ready for JSON.

        Returns:
            A dictionary.
        """
        return {
            "file": self.file,
            "type": self.type,
            "ok": self.ok,
            "counts": self.counts,
            "problems": [p.to_dict() for p in self.problems],
            "warnings": [p.to_dict() for p in self.warnings],
        }


SHOWN = 20
"""How many problems a message lists before it says how many more there are."""


def show(value: object, width: int = 60) -> str:
    """Returns `value` as it is quoted in messages: one line, not too long.

    What JSON writes otherwise than Python is shown as it stands in the file.

    Args:
        value: Anything.
        width: Longest result, in characters.

    Returns:
        The representation, cut in the middle of nowhere if need be.

    Example:

    >>> show("a" * 100, width=8)
    "'aaaa..."
    >>> show(None), show(True)
    ('null', 'true')
    """
    json = {None: "null", True: "true", False: "false"}
    # Compared by type too: 1 == True.
    plain = value is None or isinstance(value, bool)
    text = json[value] if plain else repr(value)
    return text if len(text) <= width else text[: width - 3] + "..."


def listed(names: Sequence[object]) -> str:
    """Returns quoted names joined by commas.

    Args:
        names: The names.

    Returns:
        One string.

    Example:

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    return ", ".join(show(n) for n in names)


def file_name(path: str | os.PathLike) -> str:
    """Returns the path as messages show it.

    Args:
        path: A path.

    Returns:
        The path as a string.
    """
    return os.fspath(path)
