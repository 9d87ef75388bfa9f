"""From physical lines to rows with line numbers: CSV and JSON lines.

Nothing here knows what a rating is. Complaints go to a list; a row that can be
read comes out as a dictionary from lower-case column names to raw values.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from rmkeras.data.problems import Problem, file_name, listed, show
from rmkeras.data.source import MAX_LINE, SAVE_AS, TextSource, escaped_byte

DELIMITERS = ",;\t|"
_HEADER_LINES = 20  # A column name with that many line breaks is none.


@dataclass(slots=True)
class Row:
    """One row of a file.

    Attributes:
        line: Line where it starts, counted from 1.
        values: Raw values by lower-case column name: strings from CSV, anything
            from JSON.
        decimal_comma: Whether `3,5` may mean three and a half.
    """

    line: int
    values: dict[str, Any]
    decimal_comma: bool = False


@dataclass(slots=True)
class RowFile:
    """A file that is being read; iterate over `rows()` once.

    Attributes:
        file: The path as given.
        problems: Complaints so far.
        is_json: Whether the file is JSON lines.
        blank: Number of blank lines so far.
        bad: Number of rows so far that could not be read.
        characters: Number of characters read so far.
        columns: Columns by lower-case name: the name as written and the first
            line that has it.
        required: Columns that a CSV file must have, or a function from the
            columns it has to those.
        known: Column names by which the delimiter of a CSV file is recognised.
        noun: What the file should hold, for messages.
    """

    file: str
    problems: list[Problem] = field(default_factory=list)
    is_json: bool = False
    blank: int = 0
    bad: int = 0
    characters: int = 0
    columns: dict[str, tuple[str, int]] = field(default_factory=dict)
    required: tuple[str, ...] | Callable[[Sequence[str]], Sequence[str]] = (
        "text",
        "rating",
    )
    known: frozenset[str] = frozenset({"text", "rating"})
    noun: str = "ratings"
    _source: TextSource | None = None
    _lines: Iterator[tuple[int, str]] | None = None
    _record: list[tuple[int, str]] = field(default_factory=list)

    @property
    def bom(self) -> bool:
        """Whether the file starts with a byte-order mark."""
        return self._source is not None and self._source.bom

    def complain(self, line, found, expected, hint="", column=None, fatal=False):
        """Notes a problem; the arguments are those of `Problem`."""
        self.problems.append(
            Problem(self.file, line, column, found, expected, hint, fatal)
        )

    def load(self, path: str | os.PathLike | bytes) -> bool:
        """Opens the file and reads up to the first line that is not blank.

        Args:
            path: The file, or its bytes.

        Returns:
            Whether there is something to go on with.
        """
        self._source = TextSource(path, self.complain)
        lines = enumerate(self._source.lines(), 1)
        first = next(((n, line) for n, line in lines if not self._skip(line)), None)
        if first is None:
            if not self.problems:
                self.complain(None, "the file is empty", self.noun, fatal=True)
            return False
        self._lines = chain([first], lines)
        name = "" if isinstance(path, bytes) else file_name(path)
        name = name.lower().removesuffix(".gz")
        character = first[1].lstrip()[0]
        self.is_json = name.endswith((".jsonl", ".ndjson", ".json")) or (
            not name.endswith((".csv", ".tsv", ".txt")) and character in "{["
        )
        if self.is_json and character == "[":
            self.complain(
                1,
                "the file is one JSON list",
                "JSON lines: one object a line, without brackets around or commas "
                "between them",
                fatal=True,
            )
            return False
        return True

    def rows(self) -> Iterator[Row]:
        """Yields the rows that can be read and notes problems about the others.

        Yields:
            `Row`s in the order of the file.
        """
        return self._json_rows() if self.is_json else self._csv_rows()

    def _skip(self, line: str) -> bool:
        """Counts a line that is blank or was left out as too long."""
        self.characters += len(line)
        self.bad += not line
        self.blank += bool(line) and line.isspace()
        return not line or line.isspace()

    def _bytes_ok(self, lines: Sequence[tuple[int, str]]) -> bool:
        """Complains about lines that are not UTF-8."""
        fine = True
        for number, line in lines:
            if found := escaped_byte(line):
                fine = False
                self.complain(
                    number,
                    f"byte 0x{found[0]:02X} in column {found[1]} is not UTF-8",
                    "a file in UTF-8",
                    SAVE_AS,
                )
        return fine

    def _json_rows(self) -> Iterator[Row]:
        for number, raw in self._lines:
            if self._skip(raw):
                continue
            if not self._bytes_ok([(number, raw)]):
                self.bad += 1
                continue
            values, found = json_object(raw)
            if values is None:
                self.bad += 1
                self.complain(
                    number,
                    found,
                    'one JSON object a line, such as {"text": "Great!", "rating": 3}',
                )
                continue
            for name in values:
                self.columns.setdefault(plain_name(name), (name, number))
            yield Row(number, {plain_name(k): v for k, v in values.items()})

    def _csv_rows(self) -> Iterator[Row]:
        head = list(islice(self._lines, _HEADER_LINES))
        delimiter = None
        # Excel's way of naming the delimiter in the first line.
        if match := re.fullmatch(r"sep=(.)\s*", head[0][1], re.IGNORECASE):
            delimiter = match[1]
            head.pop(0)
        delimiter = delimiter or self._sniff([line for _, line in head])
        return self._csv_body(chain(head, self._lines), delimiter)

    def _sniff(self, lines: list[str]) -> str:
        """The delimiter that makes the most of the header."""

        def score(delimiter: str) -> tuple[int, int]:
            try:
                cells = next(csv.reader(lines, delimiter=delimiter), [])
            except csv.Error:
                return (0, 0)
            return (len({plain_name(c) for c in cells} & self.known), len(cells))

        return max(DELIMITERS, key=score)

    def _csv_records(
        self, lines: Iterator[tuple[int, str]], delimiter: str
    ) -> Iterator[list[str]]:
        """Yields cells; `_record` holds the numbered lines that they came from."""

        def taken() -> Iterator[str]:
            for number, line in lines:
                self._record.append((number, line))
                self.characters += len(line)
                yield line

        reader = csv.reader(taken(), delimiter=delimiter, strict=True)
        while True:
            self._record.clear()
            # The module's limit is global; a text may be longer than its default.
            limit = csv.field_size_limit(MAX_LINE)
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.bad += 1
                self._complain_about_quote(str(error))
                continue
            finally:
                csv.field_size_limit(limit)
            if all(line for _, line in self._record):
                yield cells
            else:
                self.bad += 1  # A line was too long; that was reported.

    def _csv_body(
        self, lines: Iterator[tuple[int, str]], delimiter: str
    ) -> Iterator[Row]:
        names: list[str] | None = None
        for cells in self._csv_records(lines, delimiter):
            first = self._record[0][0]
            if not any(cell.strip() for cell in cells):
                self.blank += len(self._record)
                continue
            if not self._bytes_ok(self._record):
                self.bad += 1
                if names is None:
                    return
                continue
            if names is None:
                names = self._header(cells, first)
                continue
            while len(cells) > len(names) and not cells[-1].strip():
                cells.pop()  # Spreadsheets pad rows with empty cells.
            if len(cells) != len(names):
                self.bad += 1
                wide = len(cells) > len(names)
                self.complain(
                    first,
                    f"{len(cells)} columns",
                    f"{len(names)}, as in the header",
                    f"put a text that contains {show(delimiter)} in double quotes"
                    if wide
                    else "leave cells empty, but keep the delimiters",
                )
                continue
            yield Row(first, dict(zip(names, cells, strict=True)), delimiter in ";\t")

    def _complain_about_quote(self, error: str) -> None:
        first, end = self._record[0][0], self._record[-1][0]
        at_end = "unexpected end" in error
        if at_end and self._source.broken:
            return  # The cut was reported; an open quote follows from it.
        lines = f"lines {first} to {end}" if end > first else "this line"
        found = f"text follows a closing double quote, so {lines} cannot be read"
        if at_end:
            found = (
                f"a double quote is opened and never closed, so {lines} cannot be read"
            )
        elif "field limit" in error:
            found = (
                f"a cell has more than {MAX_LINE:,} characters, so {lines} cannot be "
                "read; perhaps a double quote is opened and never closed"
            )
        self.complain(
            first,
            found,
            "a cell in double quotes to end with its second quote",
            'write a quote inside a quoted cell twice: "She said ""no"""',
            fatal=end > first,
        )

    def _header(self, cells: list[str], line: int) -> list[str]:
        while cells and not cells[-1].strip():
            cells.pop()
        names = [plain_name(c) for c in cells]
        for name, written in zip(names, cells, strict=True):
            self.columns.setdefault(name, (written.strip(), line))
        for name, count in Counter(names).items():
            if count > 1:
                self.complain(
                    line,
                    f"{count} columns are named {show(name)}",
                    "each name once",
                    fatal=True,
                )
        required = self.required
        for name in required(names) if callable(required) else required:
            if name not in names:
                self.complain(
                    line,
                    f"no column is named {name} (found: {listed(cells)})",
                    "a first line that names the columns, such as text,rating",
                    fatal=True,
                )
        return names


def plain_name(name: str) -> str:
    """Returns the name of a field as it is looked up: `Text ` is `text`.

    Args:
        name: The name as written.

    Returns:
        The name in lower case.
    """
    return name.strip().casefold()


def json_object(raw: str) -> tuple[dict[str, Any] | None, str]:
    """Parses one line that should hold one JSON object.

    Args:
        raw: The line.

    Returns:
        The object or None, and what is wrong if it is None.
    """
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(plain_name(k) for k, _ in items)
        repeated.extend(k for k, n in counts.items() if n > 1)
        return dict(items)

    try:
        value = json.loads(raw, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} (column {error.colno})"
    except (ValueError, RecursionError) as error:
        return None, f"not usable JSON: {error}"
    if not isinstance(value, dict):
        return None, f"JSON, but {show(value, 30)} is no object"
    if repeated:
        return None, f"the name {show(repeated[0])} occurs twice"
    return value, ""
