"""What people said in Label Studio, out of its JSON export.

A task has `data` (the fields that were shown) and `annotations`, one for each
rater, each with a `result` for every control tag. Read are `Pairwise` (`selected`:
left or right), `Rating` and `Number`, `Ranker` without buckets, and, asked for as
prompt-completion, `TextArea`. Cancelled annotations and predictions are left out.

Source: Label Studio's documentation, "Label Studio Task Format", and the pages of
the tags Pairwise, Rating, Number, Ranker, List and TextArea.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rmkeras.data.exports import (
    Complain,
    find_pair,
    find_prompt,
    find_text,
    name_of,
    ranked,
)
from rmkeras.data.problems import show

MARKS = (b'"annotations"', b'"completions": [{', b'"annotation_id"')
"""Bytes, one of which the beginning of every export holds."""


def recognises(record: dict[str, Any]) -> bool:
    """Says whether a record is one of Label Studio's.

    Args:
        record: The first record of a file.

    Returns:
        Whether it is.

    Example:

    >>> recognises({"id": 1, "data": {"text": "So."}, "annotations": []})
    True
    """
    return ("data" in record and "annotations" in record) or {
        "annotation_id",
        "annotator",
    } <= record.keys()


def translate(
    task: dict[str, Any], complain: Complain, kind: str | None
) -> Iterator[tuple[str | None, Any]]:
    """Yields the rows of one task.

    Args:
        task: The task.
        complain: Takes complaints.
        kind: The type asked for, or None.

    Yields:
        Types and values; None and the reason for what is left out.
    """
    if "annotations" not in task:
        hint = 'choose "JSON" when you export, not "JSON-MIN"'
        complain(None, "Label Studio's short JSON", "its full JSON", hint)
        return
    data = task["data"]
    if not isinstance(data, dict):
        return complain("data", show(data, 30), "an object with the texts")
    if not isinstance(task["annotations"], list):
        return complain("annotations", show(task["annotations"], 30), "a list")
    for number, annotation in enumerate(task["annotations"], 1):
        where = f"annotations[{number}]"
        if not isinstance(annotation, dict):
            complain(where, show(annotation, 30), "an object")
            continue
        if annotation.get("was_cancelled"):
            yield None, "skipped by the rater"
            continue
        results = annotation.get("result")
        if not isinstance(results, list):
            complain(f"{where}.result", show(results, 30), "a list")
            continue
        rater = name_of(annotation.get("completed_by"))
        rest = {"rater": rater, "id": name_of(task.get("id"))}
        for place, result in enumerate(results, 1):
            what = f"{where}.result[{place}]"
            yield from _result(result, what, data, rest, complain, kind)


def _result(result, where, data, rest, complain, kind):
    if not isinstance(result, dict) or not isinstance(result.get("value"), dict):
        return complain(where, show(result, 30), "an object with a value")
    read = {
        "pairwise": _pairwise,
        "rating": _number,
        "number": _number,
        "ranker": _ranker,
        "textarea": _text_area,
    }.get(result.get("type"))
    if read is None or (read is _text_area and kind != "prompt-completion"):
        yield None, f"of {result.get('type') or 'no'} questions"
        return

    def told(name, found, expected, hint=""):
        field = f"{where}.value.{name}" if name != "fields" else "data"
        complain(field, found, expected, hint)

    _, prompt = find_prompt(data)
    yield from read(result, data, {"prompt": prompt} | rest, told)


def _pairwise(result, data, rest, complain):
    selected = result["value"].get("selected")
    if selected not in ("left", "right"):
        return complain("selected", show(selected), "left or right")
    names = _names(result)
    pair = find_pair(data, names, complain)
    if pair is not None:
        left, right = (data[name] for name in pair)
        sides = (left, right) if selected == "left" else (right, left)
        yield "preference", {"chosen": sides[0], "rejected": sides[1], **rest}


def _number(result, data, rest, complain):
    kind = result["type"]
    text = find_text(data, (*_names(result), "")[0], complain)
    if text is None:
        return
    name = str(result.get("from_name") or "")
    rating = result["value"].get(kind)
    yield (
        "rating",
        {
            "text": text,
            "rating": rating,
            "prompt": rest["prompt"] if rest["prompt"] != text else None,
            "rater": rest["rater"],
            "aspect": None if name in ("", "rating", "number") else name,
            "id": rest["id"],
        },
    )


def _ranker(result, data, rest, complain):
    order = result["value"].get("ranker")
    if isinstance(order, dict) and len(order) == 1:
        [order] = order.values()
    if not isinstance(order, list):
        expected = "one list of ids, the best first"
        return complain("ranker", show(order), expected, "buckets have no order")
    lists = {k: v for k, v in data.items() if isinstance(v, list) and _items(v)}
    named = [n for n in _names(result) if n in lists]
    if not named and len(lists) != 1:
        found = ", ".join(lists) or "no list"
        return complain("fields", found, "one list of objects with id and body")
    texts = {str(i["id"]): _body(i) for i in lists[(named or list(lists))[0]]}
    unknown = [i for i in order if str(i) not in texts]
    if unknown or len(order) < 2:
        found = show(unknown[0]) if unknown else f"a list of {len(order)}"
        return complain("ranker", found, f"two or more of {', '.join(texts)}")
    places = [(place, texts[str(i)]) for place, i in enumerate(order)]
    yield from (("preference", values) for values in ranked(places, rest))


def _text_area(result, data, rest, complain):
    text = result["value"].get("text")
    text = "\n".join(map(str, text)) if isinstance(text, list) else text
    row = {"prompt": rest["prompt"] or "", "completion": text}
    yield "prompt-completion", row


def _names(result) -> list[str]:
    names = str(result.get("to_name") or "").split(",")
    return [name.strip().lstrip("$") for name in names if name.strip()]


def _items(value: list) -> bool:
    return bool(value) and all(isinstance(i, dict) and "id" in i for i in value)


def _body(item: dict[str, Any]) -> Any:
    found = (item.get(name) for name in ("body", "html", "text", "title"))
    return next((text for text in found if text), "")
