"""From bytes to physical lines, one at a time: gzip, encodings, lines too long."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

MAX_LINE = 16 * 2**20
"""Most characters of a line, or of a CSV row, that are read: 16 Mi."""

UTF8 = "CSV or JSON lines in UTF-8"
SAVE_AS = 'in a spreadsheet, save it as "CSV UTF-8"'
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
_PIECE = 2**20


class TextSource:
    """The physical lines of a file, read as they are asked for.

    Memory holds one line and one chunk, whatever the size of the file; of a line
    that is longer than `MAX_LINE` it holds a chunk.

    Args:
        path: The file, or its bytes; gzipped or not, in UTF-8 or marked UTF-16.
        complain: Takes line, finding, expectation and hint of each problem, and
            the keyword `fatal`.
        expected: What the file should be, for messages about its bytes.
        hint: What to do if it is not, for the same messages.
        longest: Most characters of a line; `MAX_LINE` if None.

    Attributes:
        bom: Whether the file starts with a byte-order mark.
        broken: Whether reading stopped before the end.
        count: Number of lines read so far.
        too_long: Number of lines left out so far because they are too long.
    """

    def __init__(
        self,
        path: str | os.PathLike | bytes,
        complain: Callable[..., Any],
        expected: str = UTF8,
        hint: str = SAVE_AS,
        longest: int | None = None,
    ):
        self.complain = complain
        self.bom = False
        self.broken = False
        self.count = 0
        self.too_long = 0
        self._path = path
        self._wanted = expected, hint
        self._longest = MAX_LINE if longest is None else longest
        self._pushed = ""

    def lines(self) -> Iterator[str]:
        """Yields the lines with their ends; closes the file when done.

        Bytes that are not UTF-8 are lone surrogates; see `escaped_byte`. A line
        that is too long is reported and comes out as an empty string, so that
        counting goes on.

        Yields:
            Strings. As editors count, a line ends at \\n, \\r\\n or \\r.
        """
        try:
            with self._open() as stream:
                yield from self._of(stream)
        except FileNotFoundError:
            self._stop(None, "no such file", "a file")
        except IsADirectoryError:
            self._stop(None, "this is a folder", "a file")

    def _open(self) -> BinaryIO:
        if isinstance(self._path, bytes):
            return io.BufferedReader(io.BytesIO(self._path))
        return open(self._path, "rb")

    def _stop(self, line, found, expected, hint="") -> None:
        self.broken = True
        self.complain(line, found, expected, hint, fatal=True)

    def _of(self, stream: BinaryIO) -> Iterator[str]:
        zipped = False
        try:
            zipped = stream.peek(2)[:2] == b"\x1f\x8b"
            data = gzip.GzipFile(fileobj=stream) if zipped else stream
            head = data.peek(1000)[:1000]
            if wrong := _what_is_wrong(head):
                return self._stop(None, wrong, *self._wanted)
            self.bom = head.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))
            utf16 = self.bom and head[0] != 0xEF
            text = io.TextIOWrapper(
                data,
                encoding="utf-16" if utf16 else "utf-8-sig",
                # Wrong bytes become surrogates, so that one bad line spoils no other.
                errors="strict" if utf16 else "surrogateescape",
                newline="",
            )
            with contextlib.closing(text):
                while line := self._line(text):
                    self.count += 1
                    yield self._checked(line, text)
        except UnicodeDecodeError:
            self._stop(
                self.count + 1,
                "what follows is not UTF-16, which the file's first two bytes announce",
                *self._wanted,
            )
        except (EOFError, OSError, zlib.error) as error:
            if not zipped:
                reason = getattr(error, "strerror", None) or error
                return self._stop(None, f"cannot be read ({reason})", "")
            self._stop(
                self.count + 1,
                f"the compressed file breaks off here ({str(error).rstrip('.')})",
                "a complete gzip file",
                "copy or download it again",
            )

    def _line(self, text: io.TextIOWrapper) -> str:
        pushed, self._pushed = self._pushed, ""
        if pushed == "\r":
            if (after := text.readline(1)) == "\n":
                return "\r\n"
            self._pushed = after
        if pushed in ("\r", "\n"):
            return pushed
        return pushed + text.readline(self._longest + 1 - len(pushed))

    def _checked(self, line: str, text: io.TextIOWrapper) -> str:
        """The line, or an empty string after skipping the rest of a long one."""
        if len(line) <= self._longest:
            return line
        length, piece = len(line), line
        while piece and not piece.endswith(("\n", "\r")):
            piece = text.readline(_PIECE)
            length += len(piece)
        if piece.endswith("\r") and (after := text.readline(1)) != "\n":
            self._pushed = after  # The piece ended between \r and \n, or did not.
        self.too_long += 1
        self.complain(
            self.count,
            f"the line has {length:,} characters and was left out",
            f"at most {self._longest:,} a line",
            "is a line break missing? JSON lines have one object a line",
        )
        return ""


def escaped_byte(line: str) -> tuple[int, int] | None:
    """Finds the first byte of a line that was not UTF-8.

    Args:
        line: A line of a `TextSource`.

    Returns:
        The byte and its column, counted from 1, or None.
    """
    match = None if line.isascii() else _ESCAPED_BYTE.search(line)
    return match and (ord(match[0]) - 0xDC00, match.start() + 1)


def _what_is_wrong(head: bytes) -> str:
    """Says why the bytes that a file begins with are no text, if they are none."""
    if head[:4] == b"PK\x03\x04":
        return "this is a workbook or another zip archive"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return ""
    if head.count(0) > len(head) // 4:
        return "the file is binary, or UTF-16 without its mark"
    return ""
