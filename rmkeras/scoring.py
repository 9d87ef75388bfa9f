"""Files of texts in, the same files with a column `reward` out."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rmkeras.data.chat import DEFAULT_TEMPLATE, join, split_messages
from rmkeras.data.fields import Fields
from rmkeras.data.plain import LineFile, is_plain
from rmkeras.data.problems import SHOWN, CheckReport, file_name, listed
from rmkeras.data.rows import Row, RowFile, plain_name
from rmkeras.errors import RmkerasError

SCORED = (("text",), ("completion",), ("chosen", "rejected"))
"""The fields that can be scored; the first ones that a file has are."""

_NAMES = frozenset(name for names in SCORED for name in names)
_WHAT = "the text to score"


@dataclass
class Texts:
    """Texts to score and what they came in.

    Attributes:
        rows: The rows, a dict each.
        fields: Fields to score, in this order: `("text",)`, `("completion",)`, or
            `("chosen", "rejected")`.
        kind: `"csv"`, `"json"` or `"plain"`.
        strings: For each row the strings of these fields, and `prompt`: chat
            messages have gone through the template.
    """

    rows: list[dict]
    fields: tuple[str, ...]
    kind: str
    strings: list[dict[str, str]]

    @property
    def texts(self) -> list[str]:
        """All strings to score, field after field."""
        return [strings[field] for field in self.fields for strings in self.strings]

    @property
    def prompts(self) -> list[str] | None:
        """The prompt of each of `texts`; `None` if there is none at all."""
        prompts = [strings["prompt"] for strings in self.strings] * len(self.fields)
        return prompts if any(prompts) else None


def read_texts(path, say=lambda line: None, template=None) -> Texts:
    """Reads what is to be scored.

    Args:
        path: A CSV or JSON-lines file (gzipped or not) with a field `text`, or
            `completion`, or `chosen` and `rejected`, and perhaps `prompt`, each a
            string or chat messages; a plain text file (`.txt`, `.md`) with one text
            a line; or `-` for standard input. There, and in a plain text file, a
            first line that is a header with one of these fields makes it CSV;
            without one, lines that begin with `{` are JSON.
        say: Takes a line about the blank lines that were left out.
        template: How chat messages become strings.

    Returns:
        `Texts`.

    Raises:
        RmkerasError: If the file cannot be read or a row has no text; every such
            line is named.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "answers.csv")
    >>> _ = path.write_text("id,completion\\n7,Two.\\n")
    >>> read_texts(path).texts
    ['Two.']
    """
    name, given = file_name(path), path
    if name == "-":
        name, given = "standard input", sys.stdin.buffer.read()
    kind = LineFile if is_plain(given, _NAMES) else RowFile
    source = kind(name, required=(), known=_NAMES, noun="texts to score")
    rows = list(source.rows()) if source.load(given) else []
    found = [Row(r.line, {plain_name(k): v for k, v in r.values.items()}) for r in rows]
    names = tuple(found[0].values) if found else ()
    fields = next((f for f in SCORED if all(n in names for n in f)), None)
    strings = []
    if fields is not None:
        how = template or DEFAULT_TEMPLATE
        strings = [_strings(Fields(row, source, how), fields) for row in found]
    elif rows:
        source.complain(
            rows[0].line,
            f"nothing to score among the fields {listed(names)}",
            "text, or completion, or chosen and rejected",
            fatal=True,
        )
    _refuse(name, source.problems, again=given is path)
    if not rows:
        raise RmkerasError(f"{name} holds no text to score; expected at least one")
    if source.blank:
        lines = (
            "1 blank line was"
            if source.blank == 1
            else f"{source.blank} blank lines were"
        )
        say(f"{name}: {lines} left out; every other one has a row")
    return Texts([row.values for row in rows], fields, _kind(source, rows), strings)


def _refuse(name, problems, again):
    problems.sort(key=lambda problem: problem.line or 0)
    more = len(problems) - SHOWN
    # `data check`, which the report would name, cannot read standard input again.
    hint = "" if again or more <= 0 else f"... and {more} more"
    shown = problems if again else problems[:SHOWN]
    CheckReport(name, problems=shown).raise_if_bad(hint)


def _kind(source, rows):
    if not isinstance(source, LineFile):
        return "json" if source.is_json else "csv"
    return "json" if any(row.values.keys() != {"text"} for row in rows) else "plain"


def _strings(row: Fields, names: Sequence[str]) -> dict[str, str]:
    """The strings to score in a row, and its prompt."""
    if names == ("text",):
        text = row.text("text", _WHAT, may_be_empty=True)
        if not isinstance(text, str):
            text = row.template.render(text)
        return {"text": text, "prompt": row.optional("prompt") or ""}
    sides = [row.text(name, _WHAT, may_be_empty=True) for name in names]
    prompt = None
    if row.given("prompt"):
        prompt = row.text("prompt", "what is answered", may_be_empty=True)
    chat = [not isinstance(side, str) for side in sides]
    if row.ok and any(chat) != all(chat):
        found = "a list of messages" if chat[1] else "a string"
        row.complain("rejected", found, "the same kind as chosen")
    if not row.ok:
        return {}
    if not any(chat) and not isinstance(prompt, tuple):
        return dict(zip(names, sides, strict=True), prompt=prompt or "")
    if not any(chat):
        sides = [(("assistant", side),) for side in sides]
    if len(sides) == 1:
        prompt, *sides = join(prompt or "", sides[0], row.template)
    else:
        prompt, *sides = split_messages(prompt, *sides, row.template)
    return dict(zip(names, sides, strict=True), prompt=prompt)


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
