"""Evaluating a model of several aspects, aspect by aspect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rmkeras.data.aspects import check_aspects, gather_aspects
from rmkeras.data.records import Rating
from rmkeras.errors import RmkerasError
from rmkeras.evaluate.ratings import evaluate_ratings
from rmkeras.evaluate.scoring import needs_records


def rated_by_aspect(model: Any, records: Sequence[Any]) -> bool:
    """Returns whether `evaluate_aspects` is the way to compare model and ratings.

    Args:
        model: Anything.
        records: Records of any type.

    Returns:
        True if the model judges several aspects and a record names one.

    Example:

    >>> from types import SimpleNamespace as Some
    >>> from rmkeras.data import Rating
    >>> from rmkeras.evaluate import rated_by_aspect
    >>> rows = [Rating("Hi", 3.0, aspect="fluent")]
    >>> rated_by_aspect(Some(aspects=("fluent", "true")), rows), rated_by_aspect(Some(), rows)
    (True, False)
    """
    return bool(getattr(model, "aspects", ())) and any(
        hasattr(r, "rating") and getattr(r, "aspect", None) for r in records
    )


def evaluate_aspects(
    model: Any, records: Sequence[Rating], threshold: float = 0.0, worst: int = 20
) -> dict[str, Any]:
    """Compares each aspect's head with people's ratings of that aspect.

    All that several people said about one aspect of a text counts as one rating,
    their mean, as in training.

    Args:
        model: An `AspectRewardModel`, or anything with `aspects` and
            `score_aspects`.
        records: Ratings with an `aspect`; those without are of `"overall"`.
        threshold, worst: As in `evaluate_ratings`.

    Returns:
        What `evaluate_ratings` returns, with aspects in the place of domains: so
        `pearson` is by aspect, `mse` over all ratings of all aspects, `n` how many
        these are. And `aspects`, the names; `texts`, how many different ones;
        `reward_pearson`: the correlation of the weighted sum with the mean of a
        text's ratings, over texts of which every aspect was rated; None without.

    Raises:
        RmkerasError: If an aspect was rated that the model does not judge, or there
            are no records.

    Example:

    >>> import numpy as np
    >>> from rmkeras.data import Rating
    >>> from rmkeras.evaluate import evaluate_aspects
    >>> class Counts:
    ...     task, aspects = "regression", ("long", "loud")
    ...     def score_aspects(self, texts, prompts=None):
    ...         return {"long": np.array([len(t) for t in texts], float),
    ...                 "loud": np.array([t.count("!") for t in texts], float)}
    ...     def score(self, texts, prompts=None):
    ...         return sum(self.score_aspects(texts).values())
    >>> rows = [Rating("a", 1.0, aspect="long"), Rating("bb!", 3.0, aspect="long"),
    ...         Rating("a", 0.0, aspect="loud"), Rating("bb!", 2.0, aspect="loud")]
    >>> found = evaluate_aspects(Counts(), rows)
    >>> found["pearson"], found["mse"]
    ({'long': 1.0, 'loud': 1.0}, 0.25)
    """
    texts = gather_aspects(needs_records(records, "ratings"))
    check_aspects(model.aspects, {name for text in texts for name in text.ratings})
    prompts = [text.prompt or "" for text in texts]
    asked = {"prompts": prompts} if any(prompts) else {}
    each = model.score_aspects([text.text for text in texts], **asked)
    rows, scores = [], []
    for name in model.aspects:
        for text, score in zip(texts, each[name], strict=True):
            people = text.ratings.get(name)
            if not people:
                continue
            ratings = tuple(people) if len(people) > 1 else ()
            made = (text.text, float(np.mean(people)), text.prompt)
            rows.append(Rating(*made, source=name, id=text.id, ratings=ratings))
            scores.append(float(score))
    scores = np.array(scores, "float64")
    if not np.isfinite(scores).all():
        raise RmkerasError("the model gave a score that is no number; it has diverged")
    result = evaluate_ratings(model, rows, threshold, worst, scores)
    return result | {
        "aspects": list(model.aspects),
        "texts": len(texts),
        "reward_pearson": _of_the_sum(model, texts, asked),
    }


def _of_the_sum(model, texts, asked):
    """How the one number agrees with the mean over all aspects."""
    from rmkeras.metrics import pearson

    whole = [i for i, t in enumerate(texts) if set(t.ratings) == set(model.aspects)]
    if len(whole) < 3:
        return None
    asked = {k: [v[i] for i in whole] for k, v in asked.items()}
    rewards = model.score([texts[i].text for i in whole], **asked)
    return pearson(rewards, [texts[i].row(model.aspects).mean() for i in whole])
