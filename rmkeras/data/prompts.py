"""Prompts for reinforcement learning, from files of any type."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import NamedTuple

from rmkeras.data.texts import read_plain
from rmkeras.data.usable import usable_records
from rmkeras.errors import RmkerasError


class Prompts(NamedTuple):
    """Prompts, and what people wrote after them.

    Attributes:
        prompts: Strings.
        references: As many strings, or `None` if there are none.
    """

    prompts: list[str]
    references: list[str] | None


def read_prompts(path, say=lambda line: None, template=None) -> Prompts:
    """Reads prompts.

    Args:
        path: A plain text file with a prompt a line; JSON lines or CSV (gzipped or
            not) with a field `prompt` and perhaps `completion`, the reference; or
            any comparisons, of which the prompts and the chosen answers are taken.
        say: Takes one line about what was left out.
        template: How chat messages become strings.

    Returns:
        `Prompts`.

    Raises:
        RmkerasError: If the file cannot be read or a row has no prompt; the line is
            named.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.data import read_prompts
    >>> path = pathlib.Path(tempfile.mkdtemp(), "prompts.jsonl")
    >>> _ = path.write_text('{"prompt": "2 + 2?", "completion": "4"}')
    >>> read_prompts(path)
    Prompts(prompts=['2 + 2?'], references=['4'])
    """
    name = str(path).removesuffix(".gz")
    text = read_plain(Path(path))
    if name.endswith((".txt", ".md")):
        prompts = [line.strip() for line in text.splitlines() if line.strip()]
        return _checked(path, prompts, None)
    rows = _rows(path, name, text)
    if rows and all("prompt" in row for _, row in rows) and "chosen" not in rows[0][1]:
        prompts = []
        for line, row in rows:
            if not isinstance(row["prompt"], str):
                kind = type(row["prompt"]).__name__
                raise RmkerasError(f"{path}:{line}: prompt is a {kind}, not a string")
            prompts.append(row["prompt"])
        references = [row.get("completion") for _, row in rows]
        whole = all(isinstance(r, str) and r.strip() for r in references)
        return _checked(path, prompts, references if whole else None)
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


def _rows(path, name, text):
    """Line numbers and rows as dicts; none if the file is of another type."""
    if name.endswith(".csv"):
        return list(enumerate(csv.DictReader(io.StringIO(text)), 2))
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise RmkerasError(
                f"{path}:{number}: not JSON ({error}); found {line[:60]!r}"
            ) from error
        if not isinstance(row, dict):
            raise RmkerasError(
                f'{path}:{number}: expected an object such as {{"prompt": …}}, found '
                f"{line[:60]!r}"
            )
        rows.append((number, row))
    return rows
