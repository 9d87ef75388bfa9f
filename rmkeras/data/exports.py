"""Exports of Label Studio and Argilla, read as feedback records.

Both programs ask people questions about texts and write what they said as JSON:
one record for each text or pair, with the answers of all raters inside. Each
answer becomes a row of a feedback file:

| question | type | fields |
| --- | --- | --- |
| which of two is better | preference | `chosen`, `rejected`, `prompt` |
| rank K | preference | the K(K-1)/2 comparisons that the ranking implies |
| a number | rating | `text`, `rating`, `prompt`, `aspect` (the question) |
| good or bad | unpaired-preference | `prompt`, `completion`, `label` |
| write it better | prompt-completion | `prompt`, `completion` |

each with `rater` and `id` where the type has them. A file holds one type, by
default the first in this table that its answers have; what is left unread is
counted in a note.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from rmkeras.data.problems import Problem, file_name, show
from rmkeras.data.rows import Row, RowFile

KINDS = ("preference", "rating", "unpaired-preference", "prompt-completion")
"""Types that an export may hold, the first one found being the default."""

PROMPTS = ("prompt", "instruction", "question", "query", "context", "input")
"""Names by which the text that is answered is known."""

TEXTS = ("text", "response", "answer", "completion", "output", "reply", "summary")
"""Names by which a text that is judged is known."""

_HEAD = 2**16
_ENDINGS = (".json", ".jsonl", ".ndjson")
_SIDES = re.compile(r"(.*?)[\W_]*(1|2|a|b|one|two|left|right|first|second)")

Complain = Callable[..., None]
"""Takes field, finding, expectation and a hint."""


@dataclass(slots=True)
class ExportFile(RowFile):
    """An export in the place of a feedback file; see the module.

    Attributes:
        kind: The type that is read.
        program: `"Label Studio"` or `"Argilla"`.
    """

    kind: str = ""
    program: str = ""
    _made: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    _left_out: Counter = field(default_factory=Counter)

    def complain(self, line, found, expected, hint="", column=None, fatal=False):
        """Notes a problem; `line` is the number of a record."""
        self.problems.append(
            Problem(self.file, line, column, found, expected, hint, fatal, "record")
        )

    def load(self, path) -> bool:
        """Says whether there is anything; the file was read when it was found."""
        if not self._made and not self.problems:
            told = ", ".join(f"{n} {what}" for what, n in self._left_out.items())
            self.complain(
                None,
                f"an export of {self.program} without {self.noun}"
                + f" (left out: {told})" * bool(told),
                f"an answer that becomes one of {', '.join(KINDS)}",
                fatal=True,
            )
        return bool(self._made)

    def rows(self) -> Iterator[Row]:
        """Yields a row for each answer.

        Yields:
            `Row`s in the order of the file; `line` is the record's number.
        """
        for number, kind, values in self._made:
            if kind == self.kind:
                for name in values:
                    self.columns.setdefault(name, (name, number))
                yield Row(number, values)

    def notes(self) -> list[Problem]:
        """Says what was left unread.

        Returns:
            One warning, or none.
        """
        left = self._left_out + Counter(
            f"of type {kind}" for _, kind, _ in self._made if kind != self.kind
        )
        if not left:
            return []
        told = ", ".join(f"{n} {what}" for what, n in left.items())
        hint = "--type reads another type; other answers are no feedback"
        return [Problem(self.file, None, "answers", f"left out: {told}", "", hint)]

    def read(self, records: list[Any], translate, kind: str | None) -> None:
        """Translates the records.

        Args:
            records: What the file holds.
            translate: A generator of types and values of a record's answers, or of
                None and why an answer was left out; it takes the record, a
                function for complaints, and the type asked for.
            kind: The type asked for, or None.
        """
        for number, record in enumerate(records, 1):
            before = len(self.problems)

            def complain(column, found, expected, hint="", number=number):
                self.complain(number, found, expected, hint, column)

            if not isinstance(record, dict):
                complain(None, show(record, 30), "an object")
            else:
                for made, values in translate(record, complain, kind):
                    if made is None:
                        self._left_out[values] += 1
                    else:
                        self._made.append((number, made, values))
            self.bad += len(self.problems) - before
        found = {made for _, made, _ in self._made}
        self.kind = kind or next((k for k in KINDS if k in found), KINDS[0])
        self.noun = f"answers of type {self.kind}"
        if self._made and self.kind not in found:
            self._left_out += Counter(f"of type {k}" for _, k, _ in self._made)
            self._made = []


def open_export(path, kind: str | None = None) -> ExportFile | None:
    """Recognises an export by its first record, and reads it.

    Args:
        path: A file.
        kind: The type that is asked for; the first of `KINDS` that it has if None.

    Returns:
        An `ExportFile`, or None if the file is none.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "export.json")
    >>> said = {"type": "rating", "from_name": "fluent", "value": {"rating": 4}}
    >>> task = {"data": {"text": "So."},
    ...         "annotations": [{"completed_by": 7, "result": [said]}]}
    >>> _ = path.write_text(json.dumps([task]))
    >>> next(open_export(path).rows()).values
    {'text': 'So.', 'rating': 4, 'prompt': None, 'rater': '7', 'aspect': 'fluent', 'id': None}
    """
    from rmkeras.data import argilla, label_studio

    name = file_name(path)
    if not name.lower().removesuffix(".gz").endswith(_ENDINGS):
        return None
    try:
        with open(path, "rb") as stream:
            zipped = stream.read(2) == b"\x1f\x8b"
        opener = gzip.open if zipped else open
        with opener(path, "rb") as stream:
            head = stream.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
            # JSON lines of our own fields never name these; most files stop here.
            if not any(mark in head for mark in (*label_studio.MARKS, *argilla.MARKS)):
                return None
            stream.seek(0)
            records = _records(stream.read().decode("utf-8-sig"))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None  # The reader of other files says what is wrong.
    first = next((r for r in records if isinstance(r, dict)), None)
    for program, module in (("Label Studio", label_studio), ("Argilla", argilla)):
        if first is not None and module.recognises(first):
            export = ExportFile(name, is_json=True, program=program)
            export.read(records, module.translate, kind)
            return export
    return None


def _records(text: str) -> list[Any]:
    """A JSON list, one object, or JSON lines; nothing if it is none of these."""
    try:
        found = json.loads(text)
        return found if isinstance(found, list) else [found]
    except (ValueError, RecursionError):
        pass
    try:
        # str.splitlines would also split at characters that occur inside texts.
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError):
        return []


# What both programs need.


def find_prompt(fields: dict[str, Any]) -> tuple[str | None, Any]:
    """Finds the text that is answered.

    Args:
        fields: Texts by name.

    Returns:
        Its name and the text; None and None if there is none.

    Example:

    >>> find_prompt({"Question": "2 + 2?", "answer": "4"})
    ('Question', '2 + 2?')
    """
    plain = {name.casefold(): name for name in fields}
    for known in PROMPTS:
        if known in plain and _is_text(fields[plain[known]]):
            return plain[known], fields[plain[known]]
    return None, None


def find_text(fields: dict[str, Any], named: str, complain: Complain):
    """Finds the one text that was judged.

    Args:
        fields: Texts by name.
        named: What the export says was judged; may be any other name.
        complain: Takes complaints.

    Returns:
        The text, or None after a complaint.
    """
    prompt, _ = find_prompt(fields)
    texts = {n: v for n, v in fields.items() if n != prompt and _is_text(v)}
    plain = {name.casefold(): name for name in texts}
    for known in (named.casefold(), *TEXTS):
        if known in plain:
            return texts[plain[known]]
    if len(texts) == 1:
        return next(iter(texts.values()))
    if not texts and prompt is not None:
        return fields[prompt]
    complain(
        "fields",
        f"{', '.join(texts) or 'no text'}",
        f"one text to rate, or one named {', '.join(TEXTS)}",
        "rename the field of the text that was rated",
    )
    return None


def find_pair(fields: dict[str, Any], named: list[str], complain: Complain):
    """Finds the two texts that were compared, the left one first.

    Args:
        fields: Texts by name.
        named: What the export says was compared; may be any other names.
        complain: Takes complaints.

    Returns:
        The names of both, or None after a complaint.

    Example:

    >>> find_pair({"q": "2 + 2?", "answer_a": "4", "answer_b": "5"}, [], print)
    ('answer_a', 'answer_b')
    """
    prompt, _ = find_prompt(fields)
    texts = [n for n, v in fields.items() if n != prompt and _is_text(v)]
    if len(named) == 2 and all(n in texts for n in named):
        return tuple(named)
    stems: dict[str, list[str]] = {}
    for name in texts:
        if match := _SIDES.fullmatch(name.casefold()):
            stems.setdefault(match[1], []).append(name)
    pairs = [names for names in stems.values() if len(names) == 2]
    if len(pairs) == 1:
        return tuple(sorted(pairs[0], key=str.casefold))
    if len(texts) == 2:
        return tuple(texts)
    complain(
        "fields",
        ", ".join(texts) or "no text",
        "two texts to compare, such as answer_1 and answer_2",
        "rename the fields of the two texts",
    )
    return None


def ranked(places: list[tuple[float, Any]], rest: dict[str, Any]):
    """Yields the comparisons that a ranking implies.

    Args:
        places: Place and text of each; the smallest place is the best, equal ones
            are ties.
        rest: The other fields.

    Yields:
        Values of comparisons.
    """
    for (p, a), (q, b) in combinations(sorted(places, key=lambda x: x[0]), 2):
        tie = {"probability": 0.5} if p == q else {}
        yield {"chosen": a, "rejected": b, **rest, **tie}


def name_of(value: Any) -> str | None:
    """A rater's or record's name, whatever it was.

    Args:
        value: A string, a number, or an object with an `email` or an `id`.

    Returns:
        A string, or None.
    """
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return None if value in (None, "", "None") else str(value)


def _is_text(value: Any) -> bool:
    messages = isinstance(value, list) and all(
        isinstance(m, dict) and "role" in m for m in value
    )
    return isinstance(value, str) or (messages and bool(value))
