"""Feedback files: read them, stream them, or find everything that is wrong."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

from rmkeras.data.chat import ChatTemplate
from rmkeras.data.problems import CheckReport, Problem
from rmkeras.data.reading import Reading
from rmkeras.data.records import Rating, Record
from rmkeras.data.repeats import Repeats


def read_records(
    path: str | os.PathLike,
    type: str | None = None,
    template: ChatTemplate | None = None,
    skip_bad: bool = False,
) -> list[Record]:
    """Reads a feedback file and refuses it if anything is wrong with it.

    JSON lines and CSV, each gzipped or not, an export of Label Studio or Argilla
    (see `rmkeras.data.exports`), plain text (`.txt` or `.md`, without a header; its
    documents are records of type text), or `tfds:NAME[/CONFIG][:SPLIT]` for a dataset
    that TensorFlow Datasets has prepared. Fields may hold strings or, as
    lists of `{role, content}`, chat messages.

    Args:
        path: The file.
        type: `"rating"`, `"preference"`, `"unpaired-preference"`, `"stepwise"`,
            `"prompt-completion"` or `"text"`; by default what the fields say, see
            `record_type`.
        template: How chat messages become strings, and which mark ends the prompt
            of comparisons that have none; `ChatTemplate()` by default.
        skip_bad: Whether bad rows are left out with one `UserWarning` that counts
            them, instead of being an error.

    Returns:
        The records, in the order of the file. Fields that are not known are left
        out with one `UserWarning`.

    Raises:
        RmkerasError: If there is any problem; the message lists up to 20 of them
            with their lines. With `skip_bad`, if the file cannot be read to its
            end, or no good row is left.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "pairs.jsonl")
    >>> _ = path.write_text('{"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}')
    >>> read_records(path)[0].chosen
    '4'
    """
    report = check_records(path, type, template)
    if not skip_bad or not report.records or any(p.fatal for p in report.problems):
        report.raise_if_bad()
    for warning in worth_telling(report):
        warnings.warn(warning, UserWarning, stacklevel=2)
    return report.records


def worth_telling(report: CheckReport) -> list[str]:
    """What `read_records` warns about in a file that it takes.

    Args:
        report: What `check_records` returned.

    Returns:
        A list of lines.
    """
    told = [str(w) for w in report.warnings if w.field in ("columns", "answers")]
    if report.problems:
        told.append(
            f"{report.file}: {report.counts['bad']} of {report.counts['rows']} rows "
            f"are bad and were left out, the first one: {report.problems[0]}"
        )
    return told


def iter_records(
    path: str | os.PathLike,
    type: str | None = None,
    template: ChatTemplate | None = None,
    skip_bad: bool = False,
) -> Iterator[Record]:
    """Reads a feedback file one record at a time.

    Memory holds one line, whatever the size of the file, gzipped or not.

    Args:
        path: The file; see `read_records`.
        type: The type of the records; by default what the first rows say.
        template: How chat messages become strings.
        skip_bad: Whether bad rows are left out with one `UserWarning` at the end
            that counts them, instead of being an error.

    Yields:
        The records, in the order of the file.

    Raises:
        RmkerasError: At the first line that is wrong, after the records before
            it. `check_records` finds all lines that are.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "texts.csv")
    >>> _ = path.write_text("text\\nOnce upon a time\\n")
    >>> [record.text for record in iter_records(path)]
    ['Once upon a time']
    """
    reading = Reading(path, type, template)
    source = reading.source
    report = CheckReport(source.file, problems=source.problems)
    known = good = bad = 0
    first = None  # With skip_bad, only the first complaint is kept.
    for line, record in reading.records():
        # The first rows are read ahead; what is wrong further down has to wait.
        due = [p for p in source.problems if (p.line or 0) <= line]
        if due and (not skip_bad or any(p.fatal for p in due)):
            report.problems = due
            break
        if due:
            first = first or min(due, key=_line)
            source.problems[:] = [p for p in source.problems if p not in due]
        if len(source.columns) > known:
            known = len(source.columns)
            for warning in reading.unknown_columns():
                warnings.warn(str(warning), UserWarning, stacklevel=2)
        bad += record is None
        if record is not None:
            good += 1
            yield record
    bad += source.bad
    left = [first, *report.problems] if first else report.problems
    if not skip_bad or not good or any(p.fatal for p in left):
        report.problems = left
        report.raise_if_bad()
    report.counts = {"rows": good + bad, "bad": bad}
    report.problems = sorted(left, key=_line)
    for warning in worth_telling(report):
        warnings.warn(warning, UserWarning, stacklevel=2)


def _line(problem: Problem) -> int:
    return problem.line or 0


def check_records(
    path: str | os.PathLike,
    type: str | None = None,
    template: ChatTemplate | None = None,
    keep: bool = True,
) -> CheckReport:
    """Finds everything that is wrong with a feedback file.

    Args:
        path: The file; see `read_records`.
        type: The type of the records; by default what the first rows say.
        template: How chat messages become strings.
        keep: Whether the report holds the good records. Without them a file may
            be larger than memory.

    Returns:
        A `CheckReport` with the good rows, every problem and every warning. Rows
        that are equal, and different verdicts of one rater about the same texts,
        are warnings.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "pairs.jsonl")
    >>> _ = path.write_text('{"chosen": "yes", "rejected": "yes"}')
    >>> print(check_records(path).problems[0].found)
    the same as chosen
    """
    reading = Reading(path, type, template)
    source = reading.source
    report = CheckReport(source.file, problems=source.problems)
    repeats = Repeats(source.file)
    good = bad = 0
    for line, record in reading.records():
        if record is None:
            bad += 1
            continue
        good += 1
        repeats.add(record, line)
        if keep:
            report.records.append(record)
            report.lines.append(line)
    report.bom = source.bom
    report.type = reading.schema.name if reading.schema else ""
    report.warnings = [*reading.unknown_columns(), *repeats.warnings]
    report.problems.sort(key=_line)
    bad += source.bad
    report.counts = {
        "rows": good + bad,
        "good": good,
        "bad": bad,
        "blank": source.blank,
        "warnings": len(report.warnings),
    }
    return report


def record_type(path: str | os.PathLike) -> str:
    """Says which type of feedback a file holds.

    The fields of its header, or of its first 20 rows, decide: `chosen` or
    `rejected` makes it comparisons, `completions` or `labels` answers in steps,
    `rating` ratings, `completion` with `label` labelled answers and without it
    prompts and answers, `text` alone texts.

    Args:
        path: The file.

    Returns:
        The name of the type, as `read_records` takes it.

    Raises:
        RmkerasError: If no type has these fields, or the file cannot be read.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "ratings.csv")
    >>> _ = path.write_text("text,rating\\nWhat a film!,3\\n")
    >>> record_type(path)
    'rating'
    """
    reading = Reading(path, None, None)
    next(reading.records(), None)
    if reading.schema is None:
        CheckReport(
            reading.source.file, problems=reading.source.problems
        ).raise_if_bad()
    return reading.schema.name


def read_ratings(path: str | os.PathLike) -> list[Rating]:
    """Reads a rating file and refuses it if anything is wrong with it.

    CSV and JSON lines, each gzipped or not. CSV may be delimited by commas,
    semicolons or tabs; with semicolons or tabs `3,5` is three and a half. The
    columns `text` and `rating` are needed, `prompt`, `rater`, `aspect`, `source`,
    `id` and `ratings` (a JSON list of the single people's ratings) are optional;
    an empty optional field is None.

    Args:
        path: The file.

    Returns:
        The ratings, in the order of the file. Columns that are not known are
        left out with one `UserWarning`.

    Raises:
        RmkerasError: If there is any problem; the message lists up to 20 of them
            with their lines.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "ratings.csv")
    >>> _ = path.write_text("text;rating\\nWhat a film!;3,5\\n")
    >>> read_ratings(path)[0].rating
    3.5
    """
    return read_records(path, type="rating")


def check_ratings(path: str | os.PathLike) -> CheckReport:
    """Finds everything that is wrong with a rating file.

    Args:
        path: The file; see `read_ratings` for what it may look like.

    Returns:
        A `CheckReport`; see `check_records`.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "ratings.csv")
    >>> _ = path.write_text("text,rating\\n\\nWhat a film!,good\\n")
    >>> report = check_ratings(path)
    >>> report.counts["bad"], report.problems[0].line
    (1, 3)
    """
    return check_records(path, type="rating")
