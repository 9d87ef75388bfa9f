"""The fields of one row: each value checked, each complaint exact."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from rmkeras.data.chat import ChatTemplate, Message, is_messages, parse_messages
from rmkeras.data.problems import show
from rmkeras.data.rows import Row, RowFile

# Stricter than float(): "1_000", "infinity" and "nan" are not ratings.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_A_NUMBER = "a number such as 3 or -1.5"
_LABELS = {"true": True, "1": True, "false": False, "0": False}


class Fields:
    """Reads the values of a row and notes what is wrong with them.

    Args:
        row: The row.
        source: The file, which takes the complaints.
        template: How chat messages become strings.
    """

    def __init__(self, row: Row, source: RowFile, template: ChatTemplate):
        self.row = row
        self.source = source
        self.template = template
        self._before = len(source.problems)

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong so far."""
        return len(self.source.problems) == self._before

    def complain(self, column: str, found: str, expected: str, hint: str = "") -> None:
        """Notes a problem with a field; the arguments are those of `Problem`."""
        self.source.complain(self.row.line, found, expected, hint, column=column)

    def given(self, name: str) -> bool:
        """Whether the row has the field, and not as `null`."""
        return self.row.values.get(name) is not None

    def text(
        self, name: str, what: str, may_be_empty: bool = False
    ) -> str | tuple[Message, ...]:
        """Reads a text or chat messages that have to be there.

        Args:
            name: The field.
            what: What it holds, for messages.
            may_be_empty: Whether an empty string will do.

        Returns:
            The string, or the messages as pairs of role and content; an empty
            string after a complaint.
        """
        value = self._messages_in_a_cell(self.row.values.get(name))
        if name not in self.row.values:
            self.complain(name, "missing", what)
        elif is_messages(value):
            return self._messages(name, value) or ""
        elif not isinstance(value, str):
            hint = "put it in double quotes"
            if value is None:
                hint = "fill it in or delete the line"
            self.complain(name, show(value), "a string", hint)
        elif not value.strip() and not may_be_empty:
            self.complain(name, "empty", what, "fill it in or delete it")
        elif self._encodable(name, value):
            return value
        return ""

    def rendered(self, name: str, what: str) -> str:
        """Reads a text; chat messages go through the template.

        Args:
            name: The field.
            what: What it holds, for messages.

        Returns:
            The string.
        """
        value = self.text(name, what)
        return value if isinstance(value, str) else self.template.render(value)

    def optional(self, name: str) -> str | None:
        """Reads a string that may be missing; whole numbers are taken as names.

        Args:
            name: The field.

        Returns:
            The string, or None if there is none.
        """
        value = self._messages_in_a_cell(self.row.values.get(name))
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # Raters and ids are often plain numbers.
        if is_messages(value):
            return self.template.render(self._messages(name, value)) or None
        if value is not None and not isinstance(value, str):
            self.complain(name, show(value), "a string")
            return None
        return value if value and self._encodable(name, value) else None

    def number(self, name: str) -> float:
        """Reads a finite number that has to be there.

        Args:
            name: The field.

        Returns:
            The number; NaN after a complaint.
        """
        if name not in self.row.values:
            self.complain(name, "missing", _A_NUMBER)
            return math.nan
        value = self.row.values[name]
        if not self.source.is_json:
            return self._number_in_a_cell(name, value)
        if (number := finite(value)) is not None:
            return number
        quoted = isinstance(value, str) and _NUMBER.fullmatch(value)
        hint = "write it without quotes" if quoted else ""
        self.complain(name, show(value), _A_NUMBER, hint)
        return math.nan

    def optional_number(self, name: str) -> float | None:
        """Reads a finite number that may be missing.

        Args:
            name: The field.

        Returns:
            The number, or None.
        """
        value = self.row.values.get(name)
        if value is None or (not self.source.is_json and not value.strip()):
            return None
        return self.number(name)

    def label(self, name: str) -> bool:
        """Reads true or false, or 1 or 0.

        Args:
            name: The field.

        Returns:
            The label; False after a complaint.
        """
        if name not in self.row.values:
            self.complain(name, "missing", "true or false")
            return False
        label = as_label(self.row.values[name], self.source.is_json)
        if label is None:
            self.complain(name, show(self.row.values[name]), "true or false")
        return bool(label)

    def list(self, name: str, what: str) -> list[Any] | None:
        """Reads a list; in CSV a cell holds it as JSON.

        Args:
            name: The field.
            what: What the list holds, for messages.

        Returns:
            The list, or None after a complaint.
        """
        value = self.row.values.get(name)
        parsed = value
        if not self.source.is_json and isinstance(value, str):
            try:
                parsed = json.loads(value)
            except (ValueError, RecursionError):
                parsed = None
        if isinstance(parsed, list):
            return parsed
        self.complain(name, show(value) if name in self.row.values else "missing", what)
        return None

    def _number_in_a_cell(self, name: str, value: str) -> float:
        # A typeset minus is what some spreadsheets and people write.
        plain = value.strip().replace("\u2212", "-")
        if not plain:
            self.complain(name, "empty", _A_NUMBER, "fill it in or delete the row")
        elif not _NUMBER.fullmatch(plain):
            self.complain(name, show(value), _A_NUMBER)
        elif "," in plain and not self.row.decimal_comma:
            self.complain(
                name,
                show(value),
                _A_NUMBER,
                "decimal commas need semicolons or tabs between the columns",
            )
        elif (number := finite(float(plain.replace(",", ".")))) is None:
            self.complain(name, show(value), "a number that is not infinite")
        else:
            return number
        return math.nan

    def _messages_in_a_cell(self, value: Any) -> Any:
        """Chat messages that a CSV cell holds as JSON; other values as they are."""
        if self.source.is_json or not isinstance(value, str):
            return value
        if not re.match(r'\s*\[\s*\{\s*"(role|content)"', value):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value

    def _messages(self, name: str, value: list) -> tuple[Message, ...]:
        messages = parse_messages(
            value, self.template, lambda *told: self.complain(name, *told)
        )
        fine = all([self._encodable(name, content) for _, content in messages])
        if messages and fine and not any(c.strip() for _, c in messages):
            self.complain(name, "messages that say nothing", "some text")
            fine = False
        return messages if fine else ()

    def _encodable(self, name: str, value: str) -> bool:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.complain(
                name, show(value), "text", "half a surrogate pair is no character"
            )
            return False
        return True


def finite(value: Any) -> float | None:
    """Returns the value as a finite float, or None; true and false are no numbers.

    Args:
        value: Anything.

    Returns:
        A float, or None.

    Example:

    >>> finite(3), finite(float("nan")), finite(True)
    (3.0, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def as_label(value: Any, is_json: bool = True) -> bool | None:
    """Returns the value as true or false, or None if it says neither.

    Args:
        value: A raw value.
        is_json: Whether it comes from JSON; a cell of CSV holds a string.

    Returns:
        A bool, or None.

    Example:

    >>> as_label(True), as_label(0), as_label("TRUE", is_json=False), as_label("yes")
    (True, False, True, None)
    """
    if is_json:
        return (
            bool(value) if isinstance(value, (bool, int)) and value in (0, 1) else None
        )
    return _LABELS.get(value.strip().casefold())
