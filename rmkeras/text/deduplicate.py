"""Exact de-duplication that says what it dropped."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """What `deduplicate` kept and what it dropped.

    Attributes:
        items: The items that were kept, in their first order.
        kept: Their positions in the input, counted from 0.
        dropped: One pair `(position, position of the item it repeats)` for each
            item that was dropped.

    Example:

    >>> from rmkeras.text import deduplicate
    >>> found = deduplicate(["a", "b", "a"])
    >>> found.kept, found.dropped
    ([0, 1], [(2, 0)])
    """

    items: list[Any]
    kept: list[int]
    dropped: list[tuple[int, int]]

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of items `read`, `kept` and `dropped`."""
        kept, dropped = len(self.kept), len(self.dropped)
        return {"read": kept + dropped, "kept": kept, "dropped": dropped}


def deduplicate(
    items: Iterable[Any], key: Callable[[Any], Hashable] | None = None
) -> Deduplicated:
    """Keeps the first of each group of items that have the same key.

    Args:
        items: Strings or anything else.
        key: What has to be equal. A `Cleaner` makes texts equal that differ in
            case or spacing only. The item itself by default.

    Returns:
        A `Deduplicated`.

    Example:

    >>> from rmkeras.text import Cleaner
    >>> same = Cleaner(["lowercase", "strip_punctuation", "collapse_whitespace"])
    >>> result = deduplicate(["Good!", "bad", "good"], key=same)
    >>> result.items, result.dropped
    (['Good!', 'bad'], [(2, 0)])
    """
    first: dict[Hashable, int] = {}
    result = Deduplicated([], [], [])
    for position, item in enumerate(items):
        original = first.setdefault(item if key is None else key(item), position)
        if original == position:
            result.items.append(item)
            result.kept.append(position)
        else:
            result.dropped.append((position, original))
    return result
