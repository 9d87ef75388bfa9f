"""Plain text in the place of a feedback file: its lines or documents are texts."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterator, Set
from dataclasses import dataclass

from rmkeras.data.problems import Problem, file_name
from rmkeras.data.rows import DELIMITERS, Row, RowFile, json_object, plain_name
from rmkeras.data.schemas import infer
from rmkeras.data.source import TextSource

PLAIN = (".txt", ".md")
"""What the names of text files end with."""
SAVE = "save the file as UTF-8"
_WORD = re.compile(r"\w[\w.-]*")


def is_plain(path: str | os.PathLike | bytes, known: Set[str]) -> bool:
    """Whether a file is plain text, and not CSV under another name.

    Args:
        path: A file, or what was read from standard input. Only names that end
            with one of `PLAIN` are looked into, and what has no name.
        known: Names of columns; a first line that is a header with one of them
            makes it CSV.

    Returns:
        A bool.

    Example:

    >>> is_plain(b"text,rating", {"text"}), is_plain(b"text, and more", {"text"})
    (False, True)
    """
    if not isinstance(path, bytes) and not named_plain(path):
        return False
    return not (set(_header(_first_line(path))) & known)


def is_document(path: str | os.PathLike) -> bool:
    """Whether a file is plain text for a language model, and no feedback at all.

    A first line of several words with a delimiter between them is a header that
    may be mistyped, and one that begins with `{` a record: then it is not.

    Args:
        path: A file.

    Returns:
        A bool.
    """
    if not named_plain(path):
        return False
    first = _first_line(path)
    names = _header(first)
    return len(names) < 2 and infer(names) is None and first.lstrip()[:1] != "{"


def named_plain(path: str | os.PathLike) -> bool:
    """Whether a file's name is that of a plain text file, gzipped or not.

    Args:
        path: A file.

    Returns:
        A bool.
    """
    return file_name(path).lower().removesuffix(".gz").endswith(PLAIN)


def _first_line(path) -> str:
    lines = TextSource(path, lambda *told, fatal=False: None).lines()
    return next((line for line in lines if not line.isspace()), "")


def _header(line: str) -> list[str]:
    """The names in a line of words with one delimiter between them; else none."""
    for delimiter in DELIMITERS:
        try:
            cells = next(csv.reader([line.rstrip("\r\n,;\t|")], delimiter=delimiter))
        except (csv.Error, StopIteration):
            continue
        names = [plain_name(cell) for cell in cells]
        if all(_WORD.fullmatch(name) for name in names):
            return names
    return []


@dataclass(slots=True)
class LineFile(RowFile):
    """Lines that are texts, but for those that begin with `{`: they are records.

    A text comes out as a row with the field `text`.
    """

    def load(self, path: str | os.PathLike | bytes) -> bool:
        """Opens the file.

        Args:
            path: The file, or its bytes.

        Returns:
            True; what is wrong is noted when the rows are read.
        """
        self.is_json = True  # What looks like a list of messages is a text here.
        self._source = TextSource(path, self.complain, "a text file in UTF-8", SAVE)
        return True

    def rows(self) -> Iterator[Row]:
        """Yields the lines that are not blank and notes problems.

        Yields:
            `Row`s in the order of the file.
        """
        for number, line in enumerate(self._source.lines(), 1):
            if self._skip(line):
                continue
            if not self._bytes_ok([(number, line)]):
                self.bad += 1
                continue
            if not line.lstrip().startswith("{"):
                yield Row(number, {"text": line.rstrip("\r\n")})
                continue
            values, found = json_object(line)
            if values is None:
                self.bad += 1
                expected = "a JSON record: the line begins with {"
                self.complain(number, found, expected)
                continue
            yield Row(number, values)


@dataclass(slots=True)
class DocumentFile(RowFile):
    """The texts that a language model is pretrained on; see `read_corpus`.

    Empty lines set documents apart; without any, each line is one.
    """

    _apart: bool = False

    def load(self, path: str | os.PathLike) -> bool:
        """Looks through the file for empty lines between others.

        Args:
            path: The file.

        Returns:
            Whether there is something to go on with.
        """
        self.is_json = True  # What looks like a list of messages is a text here.
        seen = gap = False
        # What is wrong with its bytes is told when its texts are read.
        for line in self._open(path, lambda *told, fatal=False: None).lines():
            if not line.isspace():
                self._apart = self._apart or gap
                seen, gap = True, False
            gap = gap or (seen and not line.strip("\r\n"))
        self._source = self._open(path, self.complain)
        if not seen:
            for _ in self._source.lines():
                pass
            if not self.problems:
                self.complain(None, "the file is empty", self.noun, fatal=True)
        return seen

    @staticmethod
    def _open(path, complain) -> TextSource:
        longest = sys.maxsize - 1  # A whole corpus may stand on one line.
        return TextSource(path, complain, "a text file in UTF-8", SAVE, longest)

    def rows(self) -> Iterator[Row]:
        """Yields the texts and notes problems.

        Yields:
            `Row`s in the order of the file.
        """
        start, lines, fine = 1, [], True
        for number, line in enumerate(self._source.lines(), 1):
            line = line.rstrip("\r\n")
            self._skip(line + "\n")
            fine = self._bytes_ok([(number, line)]) and fine
            if line:
                lines.append(line)
            if not line or not self._apart:
                yield from self._row(start, lines, fine)
                start, lines, fine = number + 1, [], True
        yield from self._row(start, lines, fine)

    def _row(self, line: int, lines: list[str], fine: bool) -> Iterator[Row]:
        text = "\n".join(lines)
        if not fine:
            self.bad += 1
        elif text.strip():
            yield Row(line, {"text": text})

    def notes(self) -> list[Problem]:
        """Says how the file was read.

        Returns:
            One note.
        """
        how = "documents between empty lines" if self._apart else "one text a line"
        found = f"plain text, {how}: for train-lm and, one prompt a line, for --prompts"
        return [Problem(self.file, None, None, found, "")]
