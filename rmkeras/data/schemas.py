"""The types of feedback files: their fields, and how a row becomes a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from rmkeras.data.chat import join, split_messages, split_strings
from rmkeras.data.fields import Fields, as_label, finite
from rmkeras.data.problems import show
from rmkeras.data.records import (
    OPTIONAL_TEXT,
    Preference,
    PromptCompletion,
    Rating,
    Record,
    Stepwise,
    Text,
    UnpairedPreference,
)
from rmkeras.errors import RmkerasError


@dataclass(frozen=True, slots=True)
class Schema:
    """One type of feedback file.

    Attributes:
        name: Its name.
        record: The class of its records.
        required: Fields that every row has.
        parse: From a row's fields to a record, or to None after a complaint.
        noun: What such a file holds, for messages.
        same: What two equal rows share, for messages.
        texts: Fields that hold texts, which cleaning may change.
    """

    name: str
    record: type
    required: tuple[str, ...]
    parse: Callable[[Fields], Record | None]
    noun: str
    same: str
    texts: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that such a file may have, in the order of writing."""
        names = [f.name for f in fields(self.record)]
        if "prompt" in names and self.name != "rating":
            names.remove("prompt")
            names.insert(0, "prompt")
        return tuple(names)


def _rating(row: Fields) -> Rating | None:
    text = row.rendered("text", "the text that was rated")
    rating = row.number("rating")
    optional = {name: row.optional(name) for name in OPTIONAL_TEXT}
    people: Iterable[float] = ()
    if row.row.values.get("ratings") not in (None, ""):
        what = "a list of numbers such as [3, 2, 4]"
        people = row.list("ratings", what) or ()
        if any(finite(v) is None for v in people):
            row.complain("ratings", show(row.row.values["ratings"]), what)
    return Rating(text, rating, **optional, ratings=tuple(people)) if row.ok else None


def _preference(row: Fields) -> Preference | None:
    chosen = row.text("chosen", "the answer that was preferred")
    rejected = row.text("rejected", "the other answer")
    prompt = None
    if row.given("prompt"):
        prompt = row.text("prompt", "what both answer", may_be_empty=True)
    margin = row.optional_number("margin")
    share = row.optional_number("probability")
    if share is not None and not 0 <= share <= 1:
        row.complain("probability", f"{share:g}", "a share from 0 to 1")
    rest = {name: row.optional(name) for name in ("source", "rater", "aspect", "id")}
    if isinstance(chosen, str) != isinstance(rejected, str) and row.ok:
        found = "a string" if isinstance(rejected, str) else "a list of messages"
        row.complain("rejected", found, "the same kind as chosen")
    if not row.ok:
        return None
    strings = isinstance(chosen, str)
    if (chosen.strip() == rejected.strip()) if strings else chosen == rejected:
        hint = "such a pair says nothing; delete it"
        row.complain("rejected", "the same as chosen", "another answer", hint)
        return None
    if not strings:
        parts = split_messages(prompt, chosen, rejected, row.template)
    elif prompt is None:
        parts = split_strings(chosen, rejected, row.template)
    elif isinstance(prompt, str):
        parts = prompt, chosen, rejected
    else:
        assistant = [(("assistant", side),) for side in (chosen, rejected)]
        parts = split_messages(prompt, *assistant, row.template)
    for name, whole, answer in zip(
        ("chosen", "rejected"), (chosen, rejected), parts[1:], strict=True
    ):
        # A template's marks around an empty message do not fill it.
        if not answer.strip() or (not strings and not whole[-1][1].strip()):
            row.complain(
                name, "empty after the prompt", "an answer", "fill it in or delete it"
            )
    share = 1.0 if share is None else share
    made = (parts[1], parts[2], parts[0], margin, share)
    return Preference(*made, **rest) if row.ok else None


def lone_prompt(row: Fields) -> str:
    """Reads a prompt; chat messages end where an answer's content begins.

    Args:
        row: The fields of a row.

    Returns:
        The string.
    """
    prompt = row.text("prompt", "what is answered", may_be_empty=True)
    if isinstance(prompt, tuple):
        return row.template.render(prompt) + row.template.head("assistant")
    return prompt


def prompt_and_completion(row: Fields) -> tuple[str, str]:
    """Reads a prompt and its answer, each a string or chat messages.

    Args:
        row: The fields of a row.

    Returns:
        Two strings; together they are what the template makes of both.
    """
    prompt = row.text("prompt", "what is answered", may_be_empty=True)
    completion = row.text("completion", "the answer")
    if isinstance(completion, str) and isinstance(prompt, tuple):
        completion = (("assistant", completion),)
    if isinstance(completion, tuple):
        return join(prompt, completion, row.template)
    return prompt, completion


def _unpaired(row: Fields) -> UnpairedPreference | None:
    prompt, completion = prompt_and_completion(row)
    label = row.label("label")
    return UnpairedPreference(prompt, completion, label) if row.ok else None


def _prompt_completion(row: Fields) -> PromptCompletion | None:
    prompt, completion = prompt_and_completion(row)
    return PromptCompletion(prompt, completion) if row.ok else None


def _stepwise(row: Fields) -> Stepwise | None:
    prompt = lone_prompt(row)
    steps = row.list("completions", "a list of steps, each a string")
    labels = row.list("labels", "a list of true and false, one for each step")
    for number, step in enumerate(steps or (), 1):
        if not isinstance(step, str) or not step.strip():
            found = f"a list whose step {number} is {show(step, 30)}"
            row.complain("completions", found, "a string that is not empty")
    values = [as_label(v) for v in labels or ()]
    if None in values:
        n = values.index(None)
        found = f"a list whose label {n + 1} is {show(labels[n], 30)}"
        row.complain("labels", found, "true or false")
    if row.ok and not steps:
        row.complain("completions", "an empty list", "at least one step")
    if row.ok and len(steps) != len(labels):
        row.complain("labels", f"a list of {len(labels)}", f"{len(steps)}, one a step")
    return Stepwise(prompt, tuple(steps), tuple(values)) if row.ok else None


def _text(row: Fields) -> Text | None:
    text = row.rendered("text", "some text")
    return Text(text) if row.ok else None


SCHEMAS = {
    s.name: s
    for s in (
        Schema(
            "rating",
            Rating,
            ("text", "rating"),
            _rating,
            "ratings",
            "the same text and rating",
            ("text", "prompt"),
        ),
        Schema(
            "preference",
            Preference,
            ("chosen", "rejected"),
            _preference,
            "comparisons",
            "the same comparison",
            ("prompt", "chosen", "rejected"),
        ),
        Schema(
            "unpaired-preference",
            UnpairedPreference,
            ("prompt", "completion", "label"),
            _unpaired,
            "labelled answers",
            "the same answer and label",
            ("prompt", "completion"),
        ),
        Schema(
            "stepwise",
            Stepwise,
            ("prompt", "completions", "labels"),
            _stepwise,
            "answers in steps",
            "the same steps and labels",
            ("prompt", "completions"),
        ),
        Schema(
            "prompt-completion",
            PromptCompletion,
            ("prompt", "completion"),
            _prompt_completion,
            "prompts and answers",
            "the same prompt and answer",
            ("prompt", "completion"),
        ),
        Schema("text", Text, ("text",), _text, "texts", "the same text", ("text",)),
    )
}
"""The types of feedback files by name."""

FIELD_NAMES = frozenset(name for s in SCHEMAS.values() for name in s.fields)
"""Every field of every type."""

TYPES_AND_FIELDS = "; ".join(
    f"{s.name}: {', '.join(s.required)}" for s in SCHEMAS.values()
)
"""For messages."""


def schema(name: str) -> Schema:
    """Looks up a type.

    Args:
        name: Its name.

    Returns:
        A `Schema`.

    Raises:
        RmkerasError: If there is none of that name.

    Example:

    >>> schema("preference").required
    ('chosen', 'rejected')
    """
    if name not in SCHEMAS:
        raise RmkerasError(
            f"there is no record type {name!r}; expected one of {', '.join(SCHEMAS)}"
        )
    return SCHEMAS[name]


def schema_of(record: Record) -> Schema:
    """Looks up the type of a record.

    Args:
        record: Any record.

    Returns:
        A `Schema`.

    Raises:
        TypeError: If it is none.

    Example:

    >>> schema_of(Text("Once")).name
    'text'
    """
    for s in SCHEMAS.values():
        if type(record) is s.record:
            return s
    raise TypeError(f"{show(record)} is no feedback record")


def infer(names: Iterable[str]) -> Schema | None:
    """Finds the type that has these fields.

    Args:
        names: Lower-case field names.

    Returns:
        A `Schema`, or None if no type has any of them.

    Example:

    >>> infer(["chosen", "prompt"]).name
    'preference'
    """
    names = set(names)
    # From the most telling field to the least.
    for field, name in (
        ("chosen", "preference"),
        ("rejected", "preference"),
        ("completions", "stepwise"),
        ("labels", "stepwise"),
        ("rating", "rating"),
        ("text", "text"),
    ):
        if field in names and (field != "text" or "completion" not in names):
            return SCHEMAS[name]
    if "completion" in names:
        return SCHEMAS[
            "unpaired-preference" if "label" in names else "prompt-completion"
        ]
    return None


def duplicate_key(record: Record) -> tuple[Any, ...]:
    """Returns what two rows share when one of them is superfluous.

    Two people may well give the same text the same number; so the rater is part
    of the key, and so is the verdict, because two different ones are news. Where
    a text comes from, its id and the single ratings are not part of it.

    Args:
        record: Any record.

    Returns:
        A tuple that can be hashed.

    Example:

    >>> duplicate_key(Rating("good", 3.0, rater="Ada"))
    ('rating', 'good', 3.0, None, 'Ada', None)
    """
    s = schema_of(record)
    left_out = {"source", "id", "ratings"}
    names = [f.name for f in fields(record) if f.name not in left_out]
    return (s.name, *(getattr(record, name) for name in names))
