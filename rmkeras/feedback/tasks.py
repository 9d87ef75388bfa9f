"""What people are asked: items, and the values that answer them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rmkeras.errors import RmkerasError

TASKS = ("compare", "rate", "rank", "edit")
"""The kinds of item."""

CHOICES = ("first", "second", "tie", "bad")
"""Answers to `compare`: which text of the item is better, neither, or both bad."""

ASPECTS = ("truthful", "fluent", "creative", "harmless")
"""What `rate` asks about unless a teacher says otherwise."""

LONGEST = 16_777_216
"""Longest text in characters, as in feedback files."""

_TEXTS = {"compare": (2, 2), "rate": (1, 1), "rank": (3, 9), "edit": (1, 1)}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that people judge.

    Attributes:
        task: One of `TASKS`.
        texts: The answers to judge: two to compare, one to rate or to edit, three
            to nine to rank. Their order here is the item's own order; how they
            were shown is another matter, see `Assignment.shown`.
        prompt: What they answer; may be empty.
        aspect: What to look at when comparing or ranking, if not at everything.
        source: Where the item comes from.
        source_id: Its identifier there.
        gold: The right value, for items that test raters; see `check_value`.
        raters: How many people shall judge it; the plan's number if None.
        priority: Items with a higher one are asked first.
        id: Its number in the store; None before it is stored.

    Example:

    >>> item = Item("compare", ("4", "5"), "2 + 2?")
    >>> item.key == Item("compare", ("4", "5"), "2 + 2?", source="sums").key
    True
    """

    task: str
    texts: tuple[str, ...]
    prompt: str = ""
    aspect: str | None = None
    source: str | None = None
    source_id: str | None = None
    gold: Mapping[str, Any] | None = None
    raters: int | None = None
    priority: float = 0.0
    id: int | None = None

    @property
    def content(self) -> str:
        """What is judged, as JSON."""
        fields = {"prompt": self.prompt, "texts": list(self.texts)}
        if self.aspect:
            fields["aspect"] = self.aspect
        return json.dumps(fields, ensure_ascii=False)

    @property
    def key(self) -> str:
        """A hash of the task and the content: equal items have equal keys."""
        return hashlib.sha256(f"{self.task}\n{self.content}".encode()).hexdigest()


def check_item(item: Item, aspects: Sequence[str] = ASPECTS, scale=(1, 5)) -> Item:
    """Checks an item before it is stored.

    Args:
        item: The item.
        aspects: What `rate` asks about, to check `gold` with.
        scale: Lowest and highest rating, to check `gold` with.

    Returns:
        The item, `gold` as `check_value` writes it.

    Raises:
        RmkerasError: If it cannot be asked.

    Example:

    >>> check_item(Item("edit", ("Teh cat.",))).task
    'edit'
    """
    if item.task not in TASKS:
        raise RmkerasError(f"task is {item.task!r}; expected one of {', '.join(TASKS)}")
    low, high = _TEXTS[item.task]
    if not low <= len(item.texts) <= high:
        expected = str(low) if low == high else f"{low} to {high}"
        raise RmkerasError(
            f"an item to {item.task} has {len(item.texts)} texts; expected {expected}"
        )
    for text in item.texts:
        _check_text(text, "a text")
        if not text.strip():
            raise RmkerasError("a text to judge is empty; fill it in or leave it out")
    _check_text(item.prompt, "the prompt")
    if len({text.strip() for text in item.texts}) < len(item.texts):
        raise RmkerasError(
            f"two texts to {item.task} are equal; such an item says nothing"
        )
    if item.raters is not None and item.raters < 1:
        raise RmkerasError(f"raters is {item.raters}; expected 1 or more")
    if not math.isfinite(item.priority):
        raise RmkerasError(f"priority is {item.priority}; expected a finite number")
    if item.gold is not None:
        gold = check_value(item, item.gold, aspects, scale, whole=False)
        if "skip" in gold:
            raise RmkerasError("a gold item's right value cannot be to skip it")
        item = replace(item, gold=gold)
    return item


def _check_text(text: Any, what: str) -> None:
    if not isinstance(text, str):
        raise RmkerasError(f"{what} is {type(text).__name__}; expected a string")
    if len(text) > LONGEST:
        raise RmkerasError(
            f"{what} has {len(text):,} characters; expected at most {LONGEST:,}"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RmkerasError(
            f"{what} has half a surrogate pair at character "
            f"{next(i for i, c in enumerate(text) if 0xD800 <= ord(c) < 0xE000)}, "
            "which is no character; remove it"
        ) from None


def check_value(
    item: Item,
    value: Any,
    aspects: Sequence[str] = ASPECTS,
    scale: tuple[float, float] = (1, 5),
    whole: bool = True,
) -> dict[str, Any]:
    """Checks an answer to an item.

    | task | value |
    | --- | --- |
    | compare | `{"choice": "first" | "second" | "tie" | "bad"}` |
    | rate | `{"ratings": {ASPECT: NUMBER, ...}}` |
    | rank | `{"ranking": [2, 0, 1]}`, places in `item.texts`, the best first |
    | edit | `{"text": "..."}` |
    | any | `{"skip": true}`, which counts for nothing |

    Each may have a `"note"`, a remark of at most 2,000 characters.

    Args:
        item: The item.
        value: The answer, in terms of the item's own order of texts.
        aspects: The aspects that may be rated.
        scale: Lowest and highest rating.
        whole: Whether every aspect has to be rated.

    Returns:
        The answer with nothing else in it.

    Raises:
        RmkerasError: If it does not answer the item.

    Example:

    >>> check_value(Item("compare", ("4", "5")), {"choice": "first", "x": 1})
    {'choice': 'first'}
    """
    if not isinstance(value, Mapping):
        raise RmkerasError(f"the answer is {_short(value)}; expected an object")
    note = value.get("note")
    if note is not None and (not isinstance(note, str) or len(note) > 2000):
        raise RmkerasError("note: expected a string of at most 2,000 characters")
    if note:
        _check_text(note, "note")
    rest = {"note": note} if note else {}
    if value.get("skip") is True:
        return {"skip": True, **rest}
    check = {"compare": _choice, "rank": _ranking, "edit": _edit}.get(item.task)
    if check is None:
        return _ratings(value, aspects, scale, whole) | rest
    return check(item, value) | rest


def _choice(item, value):
    if (choice := value.get("choice")) not in CHOICES:
        raise RmkerasError(
            f"choice is {_short(choice)}; expected one of {', '.join(CHOICES)}"
        )
    return {"choice": choice}


def _ranking(item, value):
    ranking, count = value.get("ranking"), len(item.texts)
    good = isinstance(ranking, (list, tuple)) and all(type(r) is int for r in ranking)
    if not good or sorted(ranking) != list(range(count)):
        raise RmkerasError(
            f"ranking is {_short(ranking)}; expected each of 0 to {count - 1} once"
        )
    return {"ranking": list(ranking)}


def _edit(item, value):
    text = value.get("text")
    _check_text(text, "text")
    if not text.strip():
        raise RmkerasError("text is empty; expected the better text, or a skip")
    return {"text": text}


def _ratings(value, aspects, scale, whole):
    ratings = value.get("ratings")
    if not isinstance(ratings, Mapping) or not ratings:
        raise RmkerasError(
            f"ratings is {_short(ratings)}; expected a number for each of "
            f"{', '.join(aspects)}"
        )
    for aspect, rating in ratings.items():
        if aspect not in aspects:
            raise RmkerasError(
                f"aspect {_short(aspect)} is unknown; expected {', '.join(aspects)}"
            )
        number = isinstance(rating, (int, float)) and not isinstance(rating, bool)
        if not number or not scale[0] <= rating <= scale[1]:
            raise RmkerasError(
                f"{aspect} is {_short(rating)}; expected a number from {scale[0]:g} to "
                f"{scale[1]:g}"
            )
    missing = [aspect for aspect in aspects if aspect not in ratings]
    if missing and whole:
        raise RmkerasError(f"no rating for {', '.join(missing)}")
    return {"ratings": {a: ratings[a] for a in aspects if a in ratings}}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def from_shown(item: Item, shown: Sequence[int], value: Mapping) -> dict[str, Any]:
    """Turns an answer as it was seen into one in the item's own order.

    Args:
        item: The item.
        shown: Which text stood in which place: `shown[0]` is the place in
            `item.texts` of the text that stood first (left, or on top).
        value: As `check_value` takes it, but for `compare` with the choices
            `"left"`, `"right"`, `"tie"` and `"bad"`, and for `rank` with places on
            the screen.

    Returns:
        The same in terms of `item.texts`. What cannot be turned is left as it is,
        for `check_value` to complain about.

    Example:

    >>> from_shown(Item("compare", ("4", "5")), (1, 0), {"choice": "left"})
    {'choice': 'second'}
    """
    value = dict(value)
    if value.get("choice") in ("left", "right"):
        place = shown[0 if value["choice"] == "left" else 1]
        value["choice"] = CHOICES[place]
    if isinstance(value.get("ranking"), list):
        value["ranking"] = [
            shown[r] if type(r) is int and 0 <= r < len(shown) else r
            for r in value["ranking"]
        ]
    return value


def as_shown(item: Item, shown: Sequence[int], value: Mapping) -> dict[str, Any]:
    """The other way round: an answer as the person saw it.

    Args:
        item: The item.
        shown: See `from_shown`.
        value: An answer in the item's own order.

    Returns:
        The answer in terms of places on the screen.

    Example:

    >>> as_shown(Item("compare", ("4", "5")), (1, 0), {"choice": "second"})
    {'choice': 'left'}
    """
    value = dict(value)
    if value.get("choice") in ("first", "second"):
        place = list(shown).index(CHOICES.index(value["choice"]))
        value["choice"] = ("left", "right")[place]
    if "ranking" in value:
        value["ranking"] = [list(shown).index(r) for r in value["ranking"]]
    return value
