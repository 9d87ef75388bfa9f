"""From records to rewards, checked before anything is computed from them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from rmkeras.errors import RmkerasError

EVERYTHING = "all"
"""What the records without a source are called in tables."""


def score_texts(model: Any, texts: Sequence[str]) -> np.ndarray:
    """Scores texts, each different one once, and refuses what is no reward.

    Args:
        model: Anything with `score`: a list of n strings in, an array `(n,)` out.
        texts: A list of n strings.

    Returns:
        Array of shape `(n,)`, float64.

    Raises:
        RmkerasError: If the model returns another number of rewards, or one that
            is not finite.
    """
    texts = list(texts)
    # In files where many models answer the same prompts, and all against one
    # other's answer, a third of the texts are copies.
    place: dict[str, int] = {}
    for text in texts:
        place.setdefault(text, len(place))
    rewards = np.asarray(ask(model, list(place)), "float64")
    if rewards.size != len(place):
        raise RmkerasError(
            f"the model returned {rewards.size} rewards for {len(place)} texts; "
            "score() has to return one number a text"
        )
    rewards = rewards.reshape(-1)[[place[text] for text in texts]]
    bad = np.flatnonzero(~np.isfinite(rewards))
    if len(bad):
        raise RmkerasError(
            f"the model gave {rewards[bad[0]]} to {len(bad)} of {len(texts)} texts, "
            f"the first being {texts[bad[0]][:60]!r}; its training has diverged"
        )
    return rewards


class Answer(str):
    """Prompt and answer as one string that knows where the answer begins.

    A reward model of rmkeras encodes the two apart, as in training on
    comparisons; anything else that has `score` sees the whole.

    Attributes:
        prompt: The prompt.
        answer: The answer.

    Example:

    >>> from rmkeras.evaluate.scoring import Answer
    >>> text = Answer("2 + 2? ", "4")
    >>> text, text.answer
    ('2 + 2? 4', '4')
    """

    def __new__(cls, prompt: str | None, answer: str):
        """Joins the two."""
        self = super().__new__(cls, (prompt or "") + answer)
        self.prompt, self.answer = prompt or "", answer
        return self


def ask(model: Any, texts: Sequence[str], **options: Any):
    """Calls the model's `score`, with prompts apart where it can take them.

    Args:
        model: Anything with `score`.
        texts: Strings, of which any may be an `Answer`.
        **options: Passed on.

    Returns:
        What `score` returned.
    """
    prompts = [getattr(text, "prompt", "") for text in texts]
    if any(prompts) and "prompts" in inspect.signature(model.score).parameters:
        answers = [getattr(text, "answer", text) for text in texts]
        return model.score(answers, prompts=prompts, **options)
    return model.score([str(text) for text in texts], **options)


def rating_text(record: Any) -> str:
    """Returns what a model reads of a rating: its prompt, if any, and its text."""
    return Answer(getattr(record, "prompt", None), record.text)


def pair_texts(records: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Returns what a model reads of pairs: prompt + chosen, prompt + rejected."""
    return (
        [Answer(r.prompt, r.chosen) for r in records],
        [Answer(r.prompt, r.rejected) for r in records],
    )


def sources(records: Sequence[Any]) -> np.ndarray:
    """Returns the source of each record; `"all"` where there is none."""
    names = [str(getattr(r, "source", None) or EVERYTHING) for r in records]
    return np.array(names, object)


def needs_records(records: Sequence[Any], what: str) -> list[Any]:
    """Returns the records as a list; an empty one is an error."""
    records = list(records)
    if not records:
        raise RmkerasError(f"there are no {what} to evaluate on")
    return records


def spread(values: np.ndarray) -> dict[str, float]:
    """Returns minimum, mean, median, maximum and standard deviation."""
    return {
        "min": float(values.min()),
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "max": float(values.max()),
        "std": float(values.std()),
    }
