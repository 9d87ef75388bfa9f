"""Prompts for reinforcement learning, from files of any type."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rmkeras.data.chat import DEFAULT_TEMPLATE
from rmkeras.data.exports import open_export
from rmkeras.data.fields import Fields
from rmkeras.data.plain import PLAIN
from rmkeras.data.problems import CheckReport, file_name
from rmkeras.data.rows import RowFile
from rmkeras.data.schemas import (
    FIELD_NAMES,
    infer,
    lone_prompt,
    prompt_and_completion,
)
from rmkeras.data.texts import read_plain
from rmkeras.data.usable import usable_records
from rmkeras.errors import RmkerasError


class Prompts(NamedTuple):
    """Prompts, and what people wrote after them.

    Attributes:
        prompts: Strings.
        references: As many strings, or `None` if there are none.

    Example:

    >>> from rmkeras.data import Prompts
    >>> Prompts(["2 + 2?"], references=["4"]).prompts
    ['2 + 2?']
    """

    prompts: list[str]
    references: list[str] | None


def read_prompts(path, say=lambda line: None, template=None) -> Prompts:
    """Reads prompts.

    Args:
        path: A plain text file (`.txt` or `.md`) with a prompt a line; JSON lines or
            CSV (gzipped or not) with a field `prompt` and perhaps `completion`, the
            reference; or any comparisons, of which the prompts and the chosen
            answers are taken. A prompt may be a list of chat messages.
        say: Takes one line about what was left out.
        template: How chat messages become strings.

    Returns:
        `Prompts`.

    Raises:
        RmkerasError: If the file cannot be read or rows are bad; each such line is
            named.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.data import read_prompts
    >>> path = pathlib.Path(tempfile.mkdtemp(), "prompts.jsonl")
    >>> _ = path.write_text('{"prompt": "2 + 2?", "completion": "4"}')
    >>> read_prompts(path)
    Prompts(prompts=['2 + 2?'], references=['4'])
    """
    if str(path).removesuffix(".gz").endswith(PLAIN):
        lines = read_plain(Path(path)).split("\n")
        prompts = [line.strip() for line in lines if line.strip()]
        return _checked(path, prompts, None)
    if not str(path).startswith("tfds:") and open_export(path) is None:
        found = _own(path, say, template)
        if found is not None:
            return _checked(path, *found)
    _, records = usable_records(path, say, template=template)
    records = list(records() if callable(records) else records)
    if not any(getattr(r, "prompt", None) for r in records):
        raise RmkerasError(
            f"{path} has no field prompt; expected one a row, or a text file with a "
            "prompt a line"
        )
    answers = [getattr(r, "chosen", getattr(r, "completion", None)) for r in records]
    prompts = [r.prompt or "" for r in records]
    return _checked(path, prompts, answers if all(answers) else None)


def _checked(path, prompts, references):
    if not any(p.strip() for p in prompts):
        raise RmkerasError(f"{path} holds no prompt; expected at least one")
    return Prompts(prompts, references)


def _own(path, say, template):
    """Prompts and references of a file that is about prompts, or None."""
    source = RowFile(file_name(path), required=(), known=FIELD_NAMES, noun="prompts")
    report = CheckReport(source.file, problems=source.problems)
    rows = list(source.rows()) if source.load(path) else []
    if not rows:
        report.raise_if_bad()
        return [], None
    kind = infer(source.columns)
    whole = all(row.values.get("prompt") is not None for row in rows)
    # Of comparisons the answers are read too; ratings and texts may have no prompt.
    optional = kind is not None and kind.name in ("rating", "text")
    if (
        "prompt" not in source.columns
        or (kind is not None and kind.name == "preference")
        or (optional and not whole)
    ):
        return None
    fields = [Fields(row, source, template or DEFAULT_TEMPLATE) for row in rows]
    answered = sum(not _blank(row.values.get("completion")) for row in rows)
    if answered == len(rows):
        pairs = [prompt_and_completion(f) for f in fields]
        prompts, references = [p for p, _ in pairs], [c for _, c in pairs]
    else:
        prompts, references = [lone_prompt(f) for f in fields], None
    report.problems.sort(key=lambda problem: problem.line or 0)
    report.raise_if_bad()
    if references is None and answered:
        say(
            f"{path}: {len(rows) - answered} of {len(rows)} rows have no completion; "
            "the others' are not used as references"
        )
    return prompts, references


def _blank(value):
    return value is None or (isinstance(value, str) and not value.strip())
