"""What people said in Argilla, out of its exports.

Three layouts are read: records as `dataset.records.to_json` of Argilla 2 writes
them (`fields`, and `responses` by question), the same flattened
(`QUESTION.responses`, `QUESTION.responses.users`, as `to_datasets` gives), and the
feedback datasets of Argilla 1 (`fields` with a list of `responses`, or as a dataset
whose column QUESTION holds `user_id`, `value` and `status`).

A number is a rating, a ranking a ranking, a label that names one of the fields
(`response_1`, `response-1`, `1`, `left`) a comparison, yes or no a label. Answers
that were only drafted or discarded, and suggestions, which a model made, are left
out.

Source: Argilla's documentation, "Record", "Response" and "Suggestion", and the
modules `argilla/records/_io` and `argilla/records/_resource`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rmkeras.data.exports import (
    PROMPTS,
    Complain,
    find_pair,
    find_prompt,
    find_text,
    name_of,
    ranked,
)
from rmkeras.data.problems import show

MARKS = (b'"responses"', b'.responses"', b'-suggestion"', b'.suggestion"')
"""Bytes, one of which the beginning of every export holds."""

_OWN = ("id", "_server_id", "external_id", "status", "metadata", "vectors", "score")
_TIES = ("tie", "draw", "equal", "same", "bothgood")
_GOOD = {"yes": True, "good": True, "true": True, "no": False, "bad": False, "false": False}  # fmt: skip


def recognises(record: dict[str, Any]) -> bool:
    """Says whether a record is one of Argilla's.

    Args:
        record: The first record of a file.

    Returns:
        Whether it is.

    Example:

    >>> recognises({"text": "So.", "fluent.responses": [4]})
    True
    """
    nested = isinstance(record.get("fields"), dict) and "responses" in record
    return nested or any(
        name.endswith((".responses", ".suggestion"))
        or (name.endswith("-suggestion") and name.removesuffix("-suggestion") in record)
        for name in record
    )


def translate(
    record: dict[str, Any], complain: Complain, kind: str | None
) -> Iterator[tuple[str | None, Any]]:
    """Yields the rows of one record.

    Args:
        record: The record.
        complain: Takes complaints.
        kind: The type asked for, or None.

    Yields:
        Types and values; None and the reason for what is left out.
    """
    fields, answers, suggestions = _parts(record, complain)
    _, prompt = find_prompt(fields)
    own = name_of(record.get("id") or record.get("external_id"))
    for question, user, value, status in answers:
        if status not in (None, "submitted"):
            yield None, f"{status} by the rater"
            continue
        rest = {"prompt": prompt, "rater": name_of(user), "id": own}
        yield from _answer(question, value, fields, rest, complain, kind)
    if not answers and suggestions:
        yield None, "suggested by a model only"
    elif not answers:
        yield None, "without an answer"


def _parts(record, complain):
    """Fields, answers (question, rater, value, status), and whether any was suggested."""
    if isinstance(record.get("fields"), dict):
        found = record.get("responses")
        answers = []
        if isinstance(found, dict):
            for question, given in found.items():
                answers += _given(question, given, complain)
        elif isinstance(found, list):
            for number, one in enumerate(found, 1):
                answers += _whole(number, one, complain)
        elif found is not None:
            complain("responses", show(found, 30), "an object or a list")
        return record["fields"], answers, bool(record.get("suggestions"))
    flat = [n.removesuffix(".responses") for n in record if n.endswith(".responses")]
    old = [
        n
        for n, value in record.items()
        if f"{n}-suggestion" in record and not n.endswith("-suggestion")
    ]
    answers = []
    for question in flat:
        values = record[f"{question}.responses"] or []
        users, states = (
            record.get(f"{question}.responses.{name}") or _nobody(values)
            for name in ("users", "status")
        )
        if not all(isinstance(part, list) for part in (values, users, states)):
            found = next(p for p in (values, users, states) if not isinstance(p, list))
            complain(f"{question}.responses", show(found, 30), "lists of one length")
            continue
        if not len(values) == len(users) == len(states):
            sizes = f"{len(values)}, {len(users)} and {len(states)}"
            expected = "as many values as users and states"
            complain(f"{question}.responses", f"lists of {sizes}", expected)
            continue
        answers += [(question, *row) for row in zip(users, values, states, strict=True)]
    for question in old:
        answers += _given(question, record[question], complain)
    taken = {*_OWN, *old}
    fields = {
        n: v
        for n, v in record.items()
        if n not in taken and "." not in n and "-suggestion" not in n
    }
    return fields, answers, any("suggestion" in n and record[n] for n in record)


def _nobody(values) -> list[None]:
    return [None] * len(values) if isinstance(values, list) else []


def _given(question, given, complain):
    """Answers to one question: a list of objects, or an object of lists."""
    if isinstance(given, dict) and isinstance(given.get("value"), list):
        columns = {k: v for k, v in given.items() if isinstance(v, list)}
        if len({len(v) for v in columns.values()}) > 1:
            sizes = ", ".join(f"{len(v)} of {k}" for k, v in columns.items())
            complain(f"responses.{question}", sizes, "as many of each")
            return []
        rows = zip(*columns.values(), strict=True)
        given = [dict(zip(columns, row, strict=True)) for row in rows]
    if given is None:
        return []
    if not isinstance(given, list):
        complain(f"responses.{question}", show(given, 30), "a list of answers")
        return []
    answers = []
    for number, one in enumerate(given, 1):
        if not isinstance(one, dict) or "value" not in one:
            where = f"responses.{question}[{number}]"
            complain(where, show(one, 30), "an object with value and user_id")
            continue
        answers.append((question, one.get("user_id"), one["value"], one.get("status")))
    return answers


def _whole(number, one, complain):
    """Argilla 1: all of one rater's answers together."""
    if not isinstance(one, dict) or not isinstance(one.get("values", {}), dict):
        complain(f"responses[{number}]", show(one, 30), "an object with values")
        return []
    user, status = one.get("user_id"), one.get("status")
    return [
        (
            question,
            user,
            value.get("value") if isinstance(value, dict) else value,
            status,
        )
        for question, value in (one.get("values") or {}).items()
    ]


def _answer(question, value, fields, rest, complain, kind):
    def told(name, found, expected, hint=""):
        where = "fields" if name == "fields" else f"responses.{question}"
        complain(where, found, expected, hint)

    if isinstance(value, (int, float)) and not isinstance(value, bool):
        text = find_text(fields, question, told)
        if text is not None:
            prompt = rest["prompt"] if rest["prompt"] != text else None
            aspect = None if question == "rating" else question
            yield (
                "rating",
                {"text": text, "rating": value, "aspect": aspect}
                | rest
                | {"prompt": prompt},
            )
    elif isinstance(value, list):
        yield from _ranking(value, fields, rest, told)
    elif not isinstance(value, str):
        told(None, show(value), "a number, a label or a ranking")
    elif kind == "prompt-completion":
        yield kind, {"prompt": rest["prompt"] or "", "completion": value}
    else:
        yield from _label(value, fields, rest, told)


def _label(value, fields, rest, told):
    label = _plain(value)
    texts = _texts(fields)
    named = texts.get(label)
    sides = {"1": 0, "a": 0, "left": 0, "first": 0, "2": 1, "b": 1, "right": 1, "second": 1}  # fmt: skip
    if label in _GOOD and named is None:
        text = find_text(fields, "", told)
        if text is not None:
            row = {"prompt": rest["prompt"] or "", "completion": text}
            yield "unpaired-preference", row | {"label": _GOOD[label]}
    elif named is not None and len(texts) > 1:
        for other in texts.values():
            if other != named:
                chosen, rejected = fields[named], fields[other]
                yield "preference", {"chosen": chosen, "rejected": rejected, **rest}
    elif label in sides or label in _TIES:
        pair = find_pair(fields, [], told)
        if pair is not None:
            a, b = (fields[n] for n in pair)
            chosen, rejected = (b, a) if sides.get(label) == 1 else (a, b)
            share = {"probability": 0.5} if label in _TIES else {}
            yield (
                "preference",
                {"chosen": chosen, "rejected": rejected, **rest, **share},
            )
    else:
        yield None, "labels or texts that say nothing of which is better"


def _ranking(value, fields, rest, told):
    rows = [v if isinstance(v, dict) else {"value": v} for v in value]
    texts = _texts(fields)
    names = [texts.get(_plain(str(row.get("value")))) for row in rows]
    if not any(names):
        yield None, "labels or texts that say nothing of which is better"
        return
    if None in names or len(names) < 2:
        strange = rows[names.index(None)].get("value") if None in names else value
        expected = f"two or more of the fields {', '.join(texts.values())}"
        return told(None, show(strange), expected, "name the options like the fields")
    places = [row.get("rank", place) for place, row in enumerate(rows)]
    if not all(isinstance(p, (int, float)) for p in places):
        return told(None, show(value), "a rank for each")
    order = list(zip(places, (fields[n] for n in names), strict=True))
    yield from (("preference", row) for row in ranked(order, rest))


def _texts(fields) -> dict[str, str]:
    """Names of the fields that may be preferred, by their plain names."""
    return {_plain(n): n for n in fields if n.casefold() not in PROMPTS}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())
