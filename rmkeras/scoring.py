"""Files of texts in, the same files with a column `reward` out."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from rmkeras.errors import RmkerasError


@dataclass
class Texts:
    """Texts to score and what they came in.

    Attributes:
        rows: The rows, a dict each.
        fields: Fields to score, in this order: `("text",)`, `("completion",)`, or
            `("chosen", "rejected")`.
        kind: `"csv"`, `"json"` or `"plain"`.
    """

    rows: list[dict]
    fields: tuple[str, ...]
    kind: str

    @property
    def texts(self) -> list[str]:
        """All strings to score, field after field."""
        return [row[field] for field in self.fields for row in self.rows]

    @property
    def prompts(self) -> list[str] | None:
        """The prompt of each of `texts`; `None` if there is none at all."""
        prompts = [row.get("prompt") or "" for row in self.rows] * len(self.fields)
        return prompts if any(prompts) else None


SCORED = (("text",), ("completion",), ("chosen", "rejected"))
"""The fields that can be scored; the first ones that a file has are."""


def read_texts(path) -> Texts:
    """Reads what is to be scored.

    Args:
        path: A CSV or JSON-lines file (gzipped or not) with a field `text`, or
            `completion`, or `chosen` and `rejected`, and perhaps `prompt`; a plain
            text file with one text a line; or `-` for standard input, where lines
            that begin with `{` are JSON and all others plain text.

    Returns:
        `Texts`.

    Raises:
        RmkerasError: If the file cannot be read or a row has no text; every such
            line is named.
    """
    if str(path) == "-":
        lines = sys.stdin.buffer.read().decode("utf8", errors="replace").splitlines()
        return _lines(lines, "standard input")
    suffixes = [s for s in Path(path).suffixes if s != ".gz"]
    if suffixes[-1:] == [".txt"]:
        return _lines(_plain_file(path), str(path))
    from rmkeras.data.problems import CheckReport, Problem
    from rmkeras.data.rows import RowFile

    source = RowFile(str(path), required=lambda names: _fields(names))
    report = CheckReport(str(path), problems=source.problems)
    rows = [row for row in source.rows()] if source.load(path) else []
    fields = _fields(rows[0].values if rows else ())
    for row in rows:
        for field in fields:
            if (wrong := _wrong(row.values, field)) is not None:
                report.problems.append(
                    Problem(str(path), row.line, field, wrong, "the text to score", "")
                )
    report.raise_if_bad()
    kind = "json" if source.is_json else "csv"
    return Texts([row.values for row in rows], fields, kind)


def _fields(names):
    """The fields to score among those that a file has; `text` if there is none."""
    return next((f for f in SCORED if all(n in names for n in f)), SCORED[0])


def _wrong(values, field):
    for name in (field, "prompt"):
        if name == "prompt" and values.get(name) is None:
            continue
        if not isinstance(values.get(name), str):
            missing = "missing" if name not in values else "no string"
            return missing if name == field else f"{missing} (its prompt)"
    return None


def _plain_file(path):
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise RmkerasError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RmkerasError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error


def _lines(lines, name):
    rows, kind = [], "plain"
    fields = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = {"text": line}
        if line.lstrip().startswith("{"):
            kind = "json"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise RmkerasError(
                    f"{name}:{number}: not JSON ({error.msg}); a line that begins "
                    "with { is read as a JSON record"
                ) from error
        fields = fields or _fields(row)
        for field in fields:
            if (wrong := _wrong(row, field)) is not None:
                raise RmkerasError(
                    f"{name}:{number}: {field} is {wrong}; expected the text to score"
                )
        rows.append(row)
    return Texts(rows, fields or SCORED[0], kind)


def score_columns(texts: Texts, rewards, aspects=None) -> dict[str, list]:
    """Puts scores into columns.

    Args:
        texts: What `read_texts` returned.
        rewards: One number for each of `texts.texts`.
        aspects: A dict from aspect to as many numbers, if the model judges several.

    Returns:
        A dict of lists, a value a row: `reward`, and `rewards` (a dict from aspect
        to number) if there are aspects; of comparisons `reward_chosen` and
        `reward_rejected`, `rewards_chosen` and `rewards_rejected`.
    """
    count = len(texts.rows)
    columns = {}
    for column, field in enumerate(texts.fields):
        end = f"_{field}" if len(texts.fields) > 1 else ""
        part = slice(column * count, (column + 1) * count)
        if aspects:
            parts = [[float(r) for r in values[part]] for values in aspects.values()]
            columns[f"rewards{end}"] = [
                dict(zip(aspects, row, strict=True)) for row in zip(*parts, strict=True)
            ]
        columns[f"reward{end}"] = [float(r) for r in rewards[part]]
    return columns


def write_scores(texts: Texts, rewards, stream, aspects=None) -> None:
    """Writes the rows with `reward` added: CSV as CSV, all else as JSON lines.

    Comparisons get `reward_chosen` and `reward_rejected` instead. A model of
    several aspects adds `rewards`, an object; in CSV a cell holds it as JSON.

    Args:
        texts: What `read_texts` returned.
        rewards: One number for each of `texts.texts`.
        stream: Where to write text.
        aspects: See `score_columns`.
    """
    columns = score_columns(texts, rewards, aspects)
    scored = [
        row | {name: _rounded(values[i]) for name, values in columns.items()}
        for i, row in enumerate(texts.rows)
    ]
    if texts.kind == "csv" and scored:
        for row in scored:
            row |= {
                k: json.dumps(v, ensure_ascii=False)
                for k, v in row.items()
                if isinstance(v, dict)
            }
        fields = list(dict.fromkeys(key for row in scored for key in row))
        writer = csv.DictWriter(stream, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(scored)
        return
    for row in scored:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(number) for name, number in value.items()}
    return round(value, 6)
