"""Is anybody only clicking? Tests of each rater with a stated false-alarm rate."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rmkeras.feedback.answers import Answers, same_length
from rmkeras.feedback.dawid_skene import dawid_skene
from rmkeras.feedback.rating_raters import rating_raters
from rmkeras.metrics.chance import LEVELS

_MOST_DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class RaterQuality:
    """What the answers of one rater look like beside the others'.

    Probabilities say how often an honest rater would look this bad or worse.

    Attributes:
        rater: The rater.
        answers: Number of answers.
        agreement: Mean probability that the rater's answers are true by what the
            others said (labels), or mean distance from it, the rater's own
            kindness taken off (numbers); NaN if nobody else answered the same
            items.
        p_agreement: Probability that somebody drawn at random from all who
            answered each item agrees this little.
        p_chance: Probability that the rater's own answers, shuffled over the
            items, agree this much: near 0 for whoever read, anything for a
            clicker.
        seconds: Median time an answer.
        p_speed: Probability that somebody drawn at random is this fast.
        left: Share of answers for the side shown first.
        p_left: Probability of a share this far from one half.
        gold: Right answers to items with a known answer, and their number.
        p_gold: Probability that somebody with the accuracy asked for has this few
            right.
        reasons: Which of `"agreement"`, `"speed"`, `"position"` and `"gold"`
            alarmed; empty if none did.

    Example:

    >>> report = check_raters([1, 2], ["Ada", "Ada"], ["a", "b"])
    >>> report[0].suspected
    False
    """

    rater: Hashable
    answers: int
    agreement: float = math.nan
    p_agreement: float = math.nan
    p_chance: float = math.nan
    seconds: float = math.nan
    p_speed: float = math.nan
    left: float = math.nan
    p_left: float = math.nan
    gold: tuple[int, int] = (0, 0)
    p_gold: float = math.nan
    reasons: tuple[str, ...] = ()

    @property
    def suspected(self) -> bool:
        """Whether any test alarmed."""
        return bool(self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes, ready for JSON.

        Returns:
            A dictionary; NaN, where a test could not be made, is None.
        """
        values = asdict(self)
        for name, value in values.items():
            if isinstance(value, float) and math.isnan(value):
                values[name] = None
        return values | {"suspected": self.suspected}


def check_raters(
    items: Sequence[Hashable],
    raters: Sequence[Hashable],
    answers: Sequence[Hashable],
    level: str = "nominal",
    seconds: Sequence[float | None] | None = None,
    left: Sequence[bool | None] | None = None,
    gold: Mapping[Hashable, Hashable] | None = None,
    gold_accuracy: float = 0.7,
    false_alarms: float = 0.05,
    seed: int = 0,
) -> list[RaterQuality]:
    r"""Looks for raters who click at random, always the same side, or too fast.

    Four tests, each a statement that an honest rater makes false rarely:

    1. **Agreement.** An honest rater is like the others: on each item "my" answer
       could be anybody's. How far an answer agrees with what the others say is
       read off `dawid_skene` (labels) or `rating_raters` (numbers), its own
       rater's answer taken out. The answer is drawn at random from all answers to
       the item, the agreement is added up over the rater's items, and the share
       of draws that agree as little is the p-value. Somebody who is
       merely somewhat worse than the others would be caught too, with enough
       answers; so it alarms only if the rater is also no better than chance:
       their own answers shuffled over their items agree as much in at least 1 %
       of the draws.
    2. **Speed.** The same draw with the logarithm of the seconds. Being fast is no
       crime; it alarms only below a third of the others' median time.
    3. **Position.** Sides are shown at random, so an honest rater chooses the
       first as often as the second: a two-sided binomial test against 1/2.
    4. **Gold.** Of items with a known answer, somebody with `gold_accuracy` has
       this few right: a binomial test.

    `false_alarms` is the probability that among *all* raters of a project, if all
    are honest, anybody at all is suspected; each test is held to that divided by
    the number of tests made (Bonferroni).

    Args:
        items: The item of each answer.
        raters: The rater of each answer.
        answers: The answers: labels, or numbers if `level` says so.
        level: `"nominal"`, `"ordinal"` or `"interval"`.
        seconds: How long each answer took; None where it is not known.
        left: Whether each answer was for the side shown first; None for ties and
            whatever has no sides.
        gold: Known answers by item.
        gold_accuracy: Accuracy on gold items that is expected of a rater.
        false_alarms: See above.
        seed: Seed of the draws.

    Returns:
        A `RaterQuality` for each rater, in the order of first appearance.

    Raises:
        ValueError: If the sequences differ in length or are empty, or an argument
            is out of range.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> rows = [(i, name, i % 2 if name != "Cy" else int(rng.integers(2)))
    ...         for i in range(40) for name in ("Ada", "Bob", "Di", "Ed", "Cy")]
    >>> [q.rater for q in check_raters(*zip(*rows)) if q.suspected]
    ['Cy']

    Source: the draws are permutation tests, Fisher (1935); Bonferroni after Dunn
    (1961). The four signs are those of Hirth, Hossfeld and Tran-Gia, "Cheat-
    detection mechanisms for crowdsourcing" (2010), and Kittur, Chi and Suh (2008).
    """
    same_length(items=items, raters=raters, answers=answers, seconds=seconds, left=left)
    if level not in LEVELS:
        raise ValueError(f"level is {level!r}; expected one of {', '.join(LEVELS)}")
    if not 0 < false_alarms < 1 or not 0 < gold_accuracy < 1:
        raise ValueError(
            f"false_alarms is {false_alarms:g} and gold_accuracy {gold_accuracy:g}; "
            "expected both between 0 and 1"
        )
    data = Answers.of(items, raters)
    kinds = 1 + (seconds is not None) + (left is not None) + bool(gold)
    limit = false_alarms / (kinds * len(data.raters))
    draws = min(max(2000, math.ceil(2 / limit)), _MOST_DRAWS)
    tests = _Tests(data, np.random.default_rng(seed), draws, limit)
    others = (_Labels if level == "nominal" else _Numbers)(data, raters, answers)
    time = None if seconds is None else _log_seconds(seconds)
    found = []
    for j, name in enumerate(data.raters):
        own = np.flatnonzero(data.rater == j)
        values: dict[str, Any] = {}
        reasons = []
        if tests.agreement(own, others, values):
            reasons.append("agreement")
        if time is not None and tests.speed(own, time, values):
            reasons.append("speed")
        if left is not None and tests.position([left[n] for n in own], values):
            reasons.append("position")
        if gold:
            known = [(answers[n], gold[items[n]]) for n in own if items[n] in gold]
            if tests.gold(known, gold_accuracy, values):
                reasons.append("gold")
        found.append(RaterQuality(name, len(own), **values, reasons=tuple(reasons)))
    return found


class _Labels:
    """What the others say about each answer's item, if answers are labels."""

    def __init__(self, data: Answers, raters, answers):
        if len(set(answers)) < 2:
            self.agreement = np.full(len(answers), np.nan)
            return
        fit = dawid_skene(data.item.tolist(), raters, answers, one_accuracy=True)
        at = {name: k for k, name in enumerate(fit.classes)}
        self.code = np.array([at[a] for a in answers])
        said = np.log(fit.confusion)[data.rater, :, self.code]  # (answers, classes)
        log_q = np.log(np.maximum(fit.posterior, 1e-300))[data.item] - said
        log_q -= log_q.max(axis=1, keepdims=True)
        self.without = np.exp(log_q)
        self.without /= self.without.sum(axis=1, keepdims=True)
        agreement = self.without[np.arange(len(answers)), self.code]
        self.agreement = np.where(_alone(data), np.nan, agreement)

    def shuffled(self, own: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Agreement if the rater's answers were in another order `(draws,)`."""
        places = np.arange(len(own))
        return self.without[own][places, self.code[own][order]].sum(axis=1)


class _Numbers:
    """The same for numbers: minus the distance from the others' estimate."""

    def __init__(self, data: Answers, raters, answers):
        y = np.asarray(answers, "float64")
        if np.ptp(y) == 0:
            self.agreement = np.full(len(y), np.nan)
            return
        fit = rating_raters(data.item.tolist(), raters, y)
        self.y = y - fit.bias[data.rater]
        weight = 1 / fit.noise[data.rater] ** 2
        total = 1 / fit.quality_std[data.item] ** 2
        left = np.maximum(total - weight, 1e-9)
        self.without = (total * fit.quality[data.item] - weight * self.y) / left
        agreement = -np.abs(self.y - self.without)
        self.agreement = np.where(_alone(data), np.nan, agreement)

    def shuffled(self, own: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Agreement if the rater's answers were in another order `(draws,)`."""
        return -np.abs(self.y[own][order] - self.without[own]).sum(axis=1)


def _alone(data: Answers) -> np.ndarray:
    """Whether nobody but its own rater answered the item of an answer."""
    pairs = np.unique(np.stack([data.item, data.rater]), axis=1)
    return np.bincount(pairs[0], minlength=len(data.items))[data.item] < 2


def _log_seconds(seconds) -> np.ndarray:
    values = np.array([np.nan if s is None else float(s) for s in seconds])
    return np.log(np.maximum(values, 1e-3))


class _Tests:
    def __init__(self, data: Answers, rng, draws: int, limit: float):
        self.data, self.rng, self.draws, self.limit = data, rng, draws, limit
        order = np.argsort(data.item, kind="stable")
        ends = np.cumsum(np.bincount(data.item, minlength=len(data.items)))
        self._of_item = np.split(order, ends[:-1])

    def _anybody(self, own: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Sums over the rater's items of a random answer's value `(draws,)`."""
        total = np.zeros(self.draws)
        for i in self.data.item[own]:
            all_of_it = value[self._of_item[i]]
            total += self.rng.choice(all_of_it[~np.isnan(all_of_it)], self.draws)
        return total

    def agreement(self, own, others, values) -> bool:
        own = own[~np.isnan(others.agreement[own])]
        if not len(own):
            return False
        seen = others.agreement[own].sum()
        values["agreement"] = float(abs(seen) / len(own))
        anybody = self._anybody(own, others.agreement)
        values["p_agreement"] = self._p(anybody <= seen + 1e-9)
        order = np.tile(np.arange(len(own)), (1000, 1))
        shuffled = others.shuffled(own, self.rng.permuted(order, axis=1))
        values["p_chance"] = self._p(shuffled >= seen - 1e-9)
        return values["p_agreement"] < self.limit and values["p_chance"] >= 0.01

    def speed(self, own, time, values) -> bool:
        own = own[~np.isnan(time[own])]
        if not len(own):
            return False
        values["seconds"] = round(float(np.exp(np.median(time[own]))), 3)
        total = self._anybody(own, time)
        values["p_speed"] = self._p(total <= time[own].sum() + 1e-9)
        others = time[np.isin(self.data.item, self.data.item[own])]
        usual = np.exp(np.nanmedian(others))
        return values["p_speed"] < self.limit and values["seconds"] < usual / 3

    def position(self, left, values) -> bool:
        from scipy.stats import binomtest

        sides = [bool(side) for side in left if side is not None]
        if not sides:
            return False
        values["left"] = sum(sides) / len(sides)
        values["p_left"] = float(binomtest(sum(sides), len(sides)).pvalue)
        return values["p_left"] < self.limit

    def gold(self, known, accuracy, values) -> bool:
        from scipy.stats import binom

        if not known:
            return False
        right = sum(said == true for said, true in known)
        values["gold"] = (right, len(known))
        values["p_gold"] = float(binom.cdf(right, len(known), accuracy))
        return values["p_gold"] < self.limit

    def _p(self, as_bad: np.ndarray) -> float:
        # The rater's own is one of the draws, or a p-value could be 0.
        return float((as_bad.sum() + 1) / (len(as_bad) + 1))
