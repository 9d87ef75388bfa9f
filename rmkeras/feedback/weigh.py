"""One record of what several raters said, each counted as far as they can be trusted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rmkeras.data import Preference, Rating, combine_raters
from rmkeras.data.schemas import SCHEMAS
from rmkeras.errors import RmkerasError
from rmkeras.feedback.dawid_skene import dawid_skene
from rmkeras.feedback.rating_raters import rating_raters


@dataclass(slots=True)
class Weighed:
    """What `weigh_records` made.

    Attributes:
        records: One record for each pair or text (and aspect), in the order of
            first appearance.
        reliability: For each rater what the model found: of comparisons
            `accuracy`, of ratings `bias` and `noise`, of both `weight`, the
            largest being 1, and the number of `answers`.
        counts: Numbers of `rows`, `records` and `raters`, and of records on which
            the weighed answer is `changed`: of comparisons another side than the
            majority's, of ratings more than half a point off the mean.
    """

    records: list[Preference] | list[Rating] = field(default_factory=list)
    reliability: dict[str, dict[str, float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def weigh_records(records: Sequence[Preference] | Sequence[Rating]) -> Weighed:
    """Makes one record of all that several raters said, by a model of the raters.

    Comparisons go through `dawid_skene` with one accuracy a rater: the two sides
    of a pair have no names that mean anything. `probability` is then what the
    model believes, not a share of votes, so a careful rater outvotes two who throw
    dice; the loss of `train-reward` takes it as a soft label. Ratings go through
    `rating_raters`, each aspect by itself: `rating` is the posterior mean.

    Args:
        records: Comparisons, or ratings, with `rater`. Rows without one are of
            one unknown person.

    Returns:
        A `Weighed`.

    Raises:
        RmkerasError: If the records are of another type, name fewer than two
            raters, or say nothing, such as ratings that are all the same.

    Example:

    >>> said = {"Ada": "AAAAAA", "Bob": "AAAAAA", "Cy": "ABABAB", "Di": "BAABAB"}
    >>> rows = [Preference(("no", "yes")[s == "A"], ("yes", "no")[s == "A"], f"{i}?",
    ...                    rater=name)
    ...         for name, sides in said.items() for i, s in enumerate(sides)]
    >>> weighed = weigh_records(rows)
    >>> weighed.records[3].chosen, round(weighed.records[3].probability, 1)
    ('yes', 1.0)

    Source: Dawid and Skene (1979); see the two functions named above.
    """
    kinds = {type(r) for r in records}
    if kinds not in ({Preference}, {Rating}):
        named = [s.name for s in SCHEMAS.values() if s.record in kinds]
        found = ", ".join(sorted(named)) or "nothing"
        raise RmkerasError(
            "raters can be weighed on comparisons or on ratings; found records of type "
            f"{found}"
        )
    if len({r.rater for r in records}) < 2:
        raise RmkerasError(
            "the field rater names fewer than two people; expected several, because "
            "one can only be judged by the others"
        )
    weigh = _weigh_preferences if kinds == {Preference} else _weigh_ratings
    result = weigh(records)
    result.counts["rows"] = len(records)
    result.counts["records"] = len(result.records)
    result.counts["raters"] = len(result.reliability)
    top = max((r["weight"] for r in result.reliability.values()), default=0) or 1
    answers: dict[str, int] = defaultdict(int)
    for record in records:
        answers[_name(record.rater)] += 1
    for name, row in result.reliability.items():
        row["weight"] /= top
        row["answers"] = answers[name]
    return result


def _name(rater: str | None) -> str:
    return "" if rater is None else rater


def _weigh_preferences(preferences) -> Weighed:
    keys, raters, labels, shares = [], [], [], []
    for p in preferences:
        key, side = _pair(p)
        # A share is two answers, one for each side.
        for label, share in ((side, p.probability), (1 - side, 1 - p.probability)):
            if share > 0:
                keys.append(key), raters.append(_name(p.rater))
                labels.append(label), shares.append(share)
    fit = dawid_skene(
        keys, raters, labels, shares, (0, 1), one_accuracy=True, equal_prevalence=True
    )
    belief = dict(zip(fit.items, fit.posterior[:, 1].tolist(), strict=True))
    result = Weighed(counts={"changed": 0})
    for combined in combine_raters(preferences).preferences:
        key, side = _pair(combined)
        p = belief[key] if side else 1 - belief[key]
        if p < 0.5:
            result.counts["changed"] += combined.probability > 0.5
            margin = None if combined.margin is None else -combined.margin
            combined = replace(
                combined,
                chosen=combined.rejected,
                rejected=combined.chosen,
                margin=margin,
            )
            p = 1 - p
        result.records.append(replace(combined, probability=p))
    accuracy, weights = fit.accuracy, fit.weights
    for name in fit.raters:
        result.reliability[name] = {"accuracy": accuracy[name], "weight": weights[name]}
    return result


def _pair(p: Preference) -> tuple[Hashable, int]:
    """A pair's name whichever side was chosen, and the side: 1 if the later one."""
    sides = tuple(sorted((p.chosen, p.rejected)))
    return (p.prompt, sides, p.aspect), int(p.chosen == sides[1])


def _weigh_ratings(ratings) -> Weighed:
    result = Weighed(counts={"changed": 0})
    aspects: dict[Any, list[Rating]] = defaultdict(list)
    for r in ratings:
        aspects[r.aspect].append(r)
    found: dict[str, list[tuple[int, float, float, float]]] = defaultdict(list)
    made: dict[Hashable, Rating] = {}
    for rows in aspects.values():
        texts = [(r.prompt, r.text, r.aspect) for r in rows]
        people = [_name(r.rater) for r in rows]
        try:
            fit = rating_raters(texts, people, [r.rating for r in rows])
        except ValueError as error:
            raise RmkerasError(str(error)) from error
        groups: dict[Hashable, list[Rating]] = defaultdict(list)
        for text, row in zip(texts, rows, strict=True):
            groups[text].append(row)
        for text, rating in fit.ratings.items():
            made[text] = _rating(groups[text], rating)
            mean = sum(r.rating for r in groups[text]) / len(groups[text])
            result.counts["changed"] += abs(rating - mean) > 0.5
        weights = fit.weights
        for name, bias, noise in zip(fit.raters, fit.bias, fit.noise, strict=True):
            own = people.count(name)
            found[name].append((own, float(bias), float(noise), weights[name]))
    order = dict.fromkeys((r.prompt, r.text, r.aspect) for r in ratings)
    result.records = [made[text] for text in order]
    for name, parts in found.items():
        n = sum(p[0] for p in parts)
        bias, noise, weight = (sum(p[0] * p[k] for p in parts) / n for k in (1, 2, 3))
        result.reliability[name] = {"bias": bias, "noise": noise, "weight": weight}
    return result


def _rating(rows: list[Rating], rating: float) -> Rating:
    first = rows[0]
    shared = {
        name: values.pop() if len(values := {getattr(r, name) for r in rows}) == 1 else None
        for name in ("source", "id", "rater")
    }  # fmt: skip
    return replace(
        first, rating=rating, ratings=tuple(r.rating for r in rows), **shared
    )
