"""Items to judge, out of the files that people have."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from rmkeras.data import ChatTemplate, CheckReport, read_records
from rmkeras.data.records import (
    Preference,
    PromptCompletion,
    Rating,
    Record,
    Text,
    UnpairedPreference,
)
from rmkeras.data.rows import RowFile
from rmkeras.errors import RmkerasError
from rmkeras.feedback.tasks import TASKS, Item

_SIZES = {"compare": 2, "rank": 4}


def read_items(
    path: str | os.PathLike,
    task: str | None = None,
    gold: bool = False,
    say: Callable[[str], None] = lambda line: None,
    template: ChatTemplate | None = None,
) -> list[Item]:
    """Reads what is to be judged from a feedback file.

    | file | items |
    | --- | --- |
    | `prompt`, `texts` (a list) | one each; `gold`, `aspect`, `source`, `id` may stand beside |
    | comparisons | to compare, or each text once to rate or edit |
    | texts, ratings | to rate or edit |
    | prompts with answers | to rate or edit; answers to one prompt in twos to compare, in fours to rank |

    Args:
        path: JSON lines or CSV, gzipped or not.
        task: One of `TASKS`; by default `"compare"` if there are two texts for it,
            `"rank"` if there are more, else `"rate"`.
        gold: Whether the file's own verdicts are right answers to test raters with.
        say: Called with a line for each thing that was left out.
        template: How chat messages become strings.

    Returns:
        The items, each once.

    Raises:
        RmkerasError: If the file is wrong, or has nothing for this task.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "pairs.jsonl")
    >>> _ = path.write_text('{"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}')
    >>> read_items(path)[0].texts
    ('4', '5')
    """
    if task is not None and task not in TASKS:
        raise RmkerasError(f"task is {task!r}; expected one of {', '.join(TASKS)}")
    rows = _rows_with_texts(path)
    if rows is not None:
        found = list(_from_rows(path, rows, task))
    else:
        records = read_records(path, template=template)
        try:
            found = list(_from_records(records, task or _usual(records), say))
        except RmkerasError as error:
            raise RmkerasError(f"{path}: {error}") from error
    if not found:
        raise RmkerasError(f"{path}: holds nothing to {task or 'judge'}")
    if not gold and rows is None:
        found = [replace(item, gold=None) for item in found]
    return list({item.key: item for item in reversed(found)}.values())[::-1]


def _rows_with_texts(path):
    """The rows of a file whose fields are ours, or None if it is another one."""
    source = RowFile(str(path), required=())
    if str(path).startswith("tfds:") or not source.load(path) or not source.is_json:
        return None
    rows = source.rows()
    first = next(rows, None)
    if first is None or "texts" not in first.values:
        return None
    rows = [first, *rows]
    CheckReport(str(path), problems=source.problems).raise_if_bad()
    return rows


def _from_rows(path, rows, task) -> Iterator[Item]:
    for row in rows:
        where = f"{path}:{row.line}"
        values = row.values
        texts = _json(values.get("texts"))
        if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
            raise RmkerasError(
                f"{where}: texts is {str(texts)[:60]!r}; expected a list of strings"
            )
        usual = {1: "rate", 2: "compare"}.get(len(texts), "rank")
        optional: dict[str, Any] = {}
        for name, field in (("aspect", "aspect"), ("source", "source"), ("id", "id")):
            value = values.get(field)
            if value not in (None, ""):
                optional["source_id" if name == "id" else name] = str(value)
        gold = _json(values.get("gold")) or None
        yield Item(
            task or values.get("task") or usual,
            tuple(texts),
            values.get("prompt") or "",
            gold=gold,
            **optional,
        )


def _json(value):
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _usual(records: list[Record]) -> str:
    if isinstance(records[0], Preference):
        return "compare"
    if isinstance(records[0], PromptCompletion | UnpairedPreference):
        prompts: dict[str, int] = defaultdict(int)
        for record in records:
            prompts[record.prompt] += 1
        return "compare" if max(prompts.values()) > 1 else "rate"
    return "rate"


def _from_records(records, task, say) -> Iterator[Item]:
    if task == "compare" and isinstance(records[0], Preference):
        for r in records:
            right = {"choice": "first"} if r.probability > 0.5 else {"choice": "tie"}
            texts = (r.chosen, r.rejected)
            yield Item(task, texts, r.prompt, r.aspect, r.source, r.id, right)
        return
    singles = [single for record in records for single in _singles(record)]
    if task in ("rate", "edit"):
        for prompt, text, source, name, right in singles:
            gold = right if task == "rate" else None
            yield Item(
                task, (text,), prompt or "", source=source, source_id=name, gold=gold
            )
        return
    yield from _groups(singles, task, say)


def _groups(singles, task, say) -> Iterator[Item]:
    """Answers to one prompt, in twos or fours."""
    bare = sum(prompt is None for prompt, *_ in singles)
    if bare:
        # In the order of the file they would be put side by side by chance.
        raise RmkerasError(
            f"--task {task} puts answers to one prompt side by side, and {bare} of "
            f"{len(singles)} texts have no prompt; add a field prompt, bring items of "
            "your own with texts, or take --task rate"
        )
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for prompt, text, *_ in singles:
        groups[prompt][text] = None
    size, alone = _SIZES[task], 0
    least = 2 if task == "compare" else 3
    for prompt, texts in groups.items():
        texts = list(texts)
        for start in range(0, len(texts), size):
            part = tuple(texts[start : start + size])
            if len(part) >= least:
                yield Item(task, part, prompt)
            else:
                alone += len(part)
    if alone:
        say(f"{alone} answers had too few others to the same prompt and are left out")


def _singles(record: Record) -> Iterable[tuple]:
    """Prompt or None, text, source, id and the right rating of each text."""
    if isinstance(record, Preference):
        for text in (record.chosen, record.rejected):
            yield record.prompt or None, text, record.source, record.id, None
    elif isinstance(record, Rating):
        right = None
        if record.aspect:
            right = {"ratings": {record.aspect: record.rating}}
        yield record.prompt or None, record.text, record.source, record.id, right
    elif isinstance(record, Text):
        yield None, record.text, None, None, None
    elif isinstance(record, PromptCompletion | UnpairedPreference):
        yield record.prompt, record.completion, None, None, None
