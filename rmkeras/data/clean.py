"""Cleaning a feedback file: texts cleaned, repeated judgements left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rmkeras.data.chat import ChatTemplate
from rmkeras.data.problems import CheckReport, Problem
from rmkeras.data.readers import check_records
from rmkeras.data.records import Rating, Record
from rmkeras.data.schemas import Schema, duplicate_key, schema_of
from rmkeras.data.writers import check_output_name, write_records
from rmkeras.errors import RmkerasError
from rmkeras.text import (
    DEFAULT_STEPS,
    Cleaner,
    deduplicate,
    near_duplicates_within,
)

LAYOUT_STEPS = ("unescape_html", "normalize_unicode")
"""Steps for all types but ratings: line breaks hold turns and lists together."""


@dataclass(frozen=True, slots=True)
class CleanReport:
    """What `clean_records` did.

    Attributes:
        out: The file that was written.
        steps: Names of the cleaning steps.
        counts: Numbers of rows `read`, `kept`, `changed` (kept, with another text
            or prompt than before), `duplicates` and `bad` (both left out), and of
            `blank` lines. `read` = `kept` + `duplicates` + `bad`.
        duplicates: One pair `(line, line that it repeats)` for each row left out
            because it repeats another.
        bad: What is wrong with each row left out as bad.
        warnings: What is odd but usable.
        type: The type of the records.
        near_duplicates: One triple `(line, earlier line, similarity)` for each row
            left out because it is nearly the same as another.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.data import clean_records
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "in.csv").write_text("text,rating\\nSo  good,1\\nSo good,1\\n")
    >>> report = clean_records(folder / "in.csv", folder / "out.csv")
    >>> report.counts["kept"], report.duplicates  # line 3 repeats line 2
    (1, [(3, 2)])
    """

    out: str
    steps: list[str]
    counts: dict[str, int]
    duplicates: list[tuple[int, int]]
    bad: list[Problem]
    warnings: list[Problem]
    type: str = "rating"
    near_duplicates: list[tuple[int, int, float]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report, ready for JSON.

        Returns:
            A dictionary.
        """
        return {
            "out": self.out,
            "steps": self.steps,
            "counts": self.counts,
            "duplicates": [
                {"line": line, "repeats": first} for line, first in self.duplicates
            ],
            "type": self.type,
            "near_duplicates": [
                {"line": line, "resembles": first, "similarity": similarity}
                for line, first, similarity in self.near_duplicates
            ],
            "bad": [p.to_dict() for p in self.bad],
            "warnings": [p.to_dict() for p in self.warnings],
        }


def clean_records(
    path: str | os.PathLike,
    out: str | os.PathLike,
    steps: Sequence | None = None,
    drop_bad: bool = False,
    type: str | None = None,
    template: ChatTemplate | None = None,
    near: float | None = None,
) -> CleanReport:
    """Cleans the texts of a feedback file and leaves out repeated rows.

    Texts and prompts are cleaned. After that a row is left out if an earlier one
    says the same: has the same texts, verdict, rater and aspect. The same texts
    with another verdict, or from another rater, are another judgement and stay.
    Comparisons come out with an explicit prompt, chat messages as strings.

    Args:
        path: The file to read; see `read_records`.
        out: The file to write; its ending names the format, see `write_records`.
            It appears when it is complete. A byte-order mark in the one CSV file
            is kept in the other.
        steps: Cleaning steps; see `rmkeras.text.Cleaner`. By default
            `DEFAULT_STEPS` for ratings, and for other types the same without
            `collapse_whitespace`, which would break conversations and lists.
        drop_bad: Whether bad rows are left out and reported instead of being an
            error.
        type: The type of the records; by default what the fields say.
        template: How chat messages become strings.
        near: Least similarity at which two rows with other verdicts, or slightly
            other texts, count as near-duplicates, of which the first is kept; see
            `rmkeras.text.near_duplicates`. None keeps them all.

    Returns:
        A `CleanReport`.

    Raises:
        RmkerasError: If the file has bad rows and `drop_bad` is False, if it
            cannot be read to its end, if nothing would be left, or if `out`
            cannot be written or is the file that is read.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> row = '{"prompt": "2 + 2?", "completion": "&lt;4"}\\n'
    >>> _ = (folder / "in.jsonl").write_text(row * 2)
    >>> report = clean_records(folder / "in.jsonl", folder / "out.jsonl")
    >>> report.type, report.counts["kept"], report.counts["duplicates"]
    ('prompt-completion', 1, 1)
    """
    target = check_output_name(out)
    if target.exists() and os.path.exists(path) and os.path.samefile(path, target):
        raise RmkerasError(
            f"{target}: this is the file to be cleaned; write to another one, so that "
            "nothing is lost"
        )
    cleaner = None if steps is None else Cleaner(steps)  # Bad names come first.
    report = check_records(path, type, template)
    if cleaner is None:
        cleaner = Cleaner(DEFAULT_STEPS if report.type == "rating" else LAYOUT_STEPS)
    cleaned, emptied = _cleaned(report, cleaner)
    report.problems = sorted(report.problems + emptied, key=lambda p: p.line or 0)
    _raise_if_bad(report, drop_bad, bool(cleaned))
    unique = deduplicate(cleaned, key=lambda row: duplicate_key(row[2]))
    rows, similar = _without_near_duplicates(unique.items, near)
    write_records(target, [new for _, _, new in rows], bom=report.bom)
    counts = {
        "read": report.counts["rows"],
        "kept": len(rows),
        "changed": sum(old != new for _, old, new in rows),
        "duplicates": len(unique.dropped),
        "bad": report.counts["bad"] + len(emptied),
        "blank": report.counts["blank"],
    }
    if near is not None:
        counts["near_duplicates"] = len(similar)
    return CleanReport(
        out=str(target),
        steps=cleaner.names,
        counts=counts,
        duplicates=[(cleaned[i][0], cleaned[j][0]) for i, j in unique.dropped],
        bad=report.problems,
        warnings=[w for w in report.warnings if w.field is not None],
        type=report.type,
        near_duplicates=similar,
    )


def clean_ratings(
    path: str | os.PathLike,
    out: str | os.PathLike,
    steps: Sequence = DEFAULT_STEPS,
    drop_bad: bool = False,
) -> CleanReport:
    """Cleans the texts of a rating file and leaves out repeated judgements.

    Args:
        path: The file to read; see `read_ratings`.
        out: The file to write; see `clean_records`.
        steps: Cleaning steps; see `rmkeras.text.Cleaner`.
        drop_bad: Whether bad rows are left out and reported instead of being an
            error.

    Returns:
        A `CleanReport`.

    Raises:
        RmkerasError: As `clean_records`.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "in.csv").write_text("text,rating\\nso  good,3\\nso good,3\\n")
    >>> clean_ratings(folder / "in.csv", folder / "out.jsonl").counts
    {'read': 2, 'kept': 1, 'changed': 1, 'duplicates': 1, 'bad': 0, 'blank': 0}
    """
    return clean_records(path, out, steps, drop_bad, type="rating")


def _cleaned(report: CheckReport, cleaner: Cleaner):
    """Triples of line, old and new record; and what cleaning emptied."""
    rows, emptied = [], []
    for record, line in zip(report.records, report.lines, strict=True):
        new, problem = clean_record(record, cleaner, report.file, line)
        if new is None:
            emptied.append(problem)
        else:
            rows.append((line, record, new))
    return rows, emptied


def clean_record(
    record: Record, cleaner: Cleaner, file: str = "", line: int | None = None
) -> tuple[Record | None, Problem | None]:
    """Cleans the texts of one record.

    Args:
        record: Any record.
        cleaner: The steps.
        file, line: Where it stands, for the message.

    Returns:
        The cleaned record and `None`; or `None` and what is wrong, if nothing is
        left of a text or the two answers of a comparison have become the same.

    Example:

    >>> from rmkeras.data import Rating
    >>> from rmkeras.data.clean import clean_record
    >>> from rmkeras.text import Cleaner
    >>> clean_record(Rating("so  good", 3.0), Cleaner(["collapse_whitespace"]))[0].text
    'so good'
    """
    kind = schema_of(record)
    new = {}
    for name in kind.texts:
        value = getattr(record, name)
        if isinstance(value, tuple):
            new[name] = tuple(cleaner(step) for step in value)
        elif value is not None:
            new[name] = cleaner(value)
    if isinstance(record, Rating):
        new["prompt"] = new.get("prompt") or None
    gone = [
        name
        for name, value in new.items()
        if name != "prompt" and not all(part.strip() for part in _parts(value))
    ]
    if gone:
        return None, _emptied(file, line, gone[0], kind, cleaner)
    if kind.name == "preference" and new["chosen"] == new["rejected"]:
        return None, _emptied(file, line, "rejected", kind, cleaner, True)
    return replace(record, **new), None


def _parts(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def _emptied(file, line, name, kind: Schema, cleaner, same=False) -> Problem:
    return Problem(
        file,
        line,
        name,
        "the same as chosen after cleaning" if same else "empty after cleaning",
        "something to rate" if kind.name == "rating" else "some text",
        f"the steps were {', '.join(cleaner.names)}",
    )


def _raise_if_bad(report: CheckReport, drop_bad: bool, anything: bool) -> None:
    if any(p.fatal for p in report.problems):
        report.raise_if_bad("nothing was written, because rows cannot be told apart")
    if not drop_bad:
        report.raise_if_bad("nothing was written; --skip-bad leaves bad rows out")
    if not anything:
        report.raise_if_bad("nothing was written, because no good row is left")


def _without_near_duplicates(rows: list, near: float | None):
    """The rows to keep, and `(line, earlier line, similarity)` of the others."""
    if near is None:
        return rows, []
    found = near_duplicates_within((whole_text(new) for _, _, new in rows), near)
    out = {p.test: p for p in found.pairs}
    similar = [(rows[i][0], rows[p.train][0], p.similarity) for i, p in out.items()]
    return [row for i, row in enumerate(rows) if i not in out], similar


def whole_text(record: Record) -> str:
    """Returns all texts of a record as one, to compare records by.

    Args:
        record: Any record.

    Returns:
        The prompt and the answers, a line each. The two answers of a comparison
        are in alphabetical order, so that swapped sides make no difference.

    Example:

    >>> from rmkeras.data import Preference
    >>> whole_text(Preference("yes", "no", prompt="Well?"))
    'Well?\\nno\\nyes'
    """
    kind = schema_of(record)
    answers = [getattr(record, n) for n in kind.texts if n != "prompt"]
    parts = [part for value in answers for part in _parts(value)]
    if kind.name == "preference":
        parts.sort()
    prompt = getattr(record, "prompt", None)
    return "\n".join([prompt, *parts] if prompt else parts)
