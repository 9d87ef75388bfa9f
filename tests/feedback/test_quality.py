"""Tests of raters: what they find, and how seldom they accuse the honest."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from rmkeras.feedback.quality import check_raters


def answers(seed, clickers=0, raters=6, each=60, accuracy=0.85, per_item=4):
    """Left-right answers; the first raters throw dice."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(raters * each // per_item):
        truth = int(rng.integers(2))
        for j in rng.choice(raters, per_item, replace=False):
            right = rng.random() < (0.5 if j < clickers else accuracy)
            rows.append((i, int(j), truth if right else 1 - truth))
    return list(zip(*rows, strict=True))


def test_the_honest_are_suspected_as_seldom_as_promised():
    families, limit = 40, 0.2
    alarms = 0
    for seed in range(families):
        columns = answers(seed)
        rng = np.random.default_rng(seed)
        left = (rng.random(len(columns[0])) < 0.5).tolist()
        seconds = rng.lognormal(2, 0.7, len(left))
        found = check_raters(*columns, left=left, seconds=seconds, false_alarms=limit)
        alarms += any(q.suspected for q in found)
    # More than this would happen once in a thousand times if the promise held.
    assert alarms <= binom.ppf(0.999, families, limit)


def test_clickers_are_found_and_others_left_alone():
    found, accused = 0, 0
    for seed in range(8):
        report = check_raters(*answers(seed, clickers=1, each=100))
        found += sum(q.suspected for q in report if q.rater == 0)
        accused += sum(q.suspected for q in report if q.rater > 0)
        assert all(q.reasons in ((), ("agreement",)) for q in report)
    assert found >= 6 and accused == 0


def test_numbers_and_a_strict_rater():
    rng = np.random.default_rng(0)
    rows = []
    for i in range(60):
        truth = rng.normal(0, 1.5)
        for name, bias in (("strict", -1.5), ("a", 0), ("b", 0), ("c", 0), ("d", 0)):
            rows.append((i, name, round(truth + bias + rng.normal(0, 0.7))))
        rows.append((i, "dice", int(rng.integers(-4, 5))))
    report = {
        q.rater: q for q in check_raters(*zip(*rows, strict=True), level="interval")
    }
    assert report["dice"].reasons == ("agreement",)
    assert not any(q.suspected for name, q in report.items() if name != "dice")
    # A strict rater is no worse: the bias is taken off.
    assert report["strict"].agreement < 1.2 < report["dice"].agreement
    assert report["strict"].p_chance < 0.01 < report["dice"].p_chance


def test_always_left():
    columns = answers(1)
    rng = np.random.default_rng(0)
    left = [j == 2 or bool(rng.integers(2)) for j in columns[1]]
    report = check_raters(*columns, left=left)
    assert [q.rater for q in report if "position" in q.reasons] == [2]
    [lazy] = [q for q in report if q.rater == 2]
    assert lazy.left == 1 and lazy.p_left == pytest.approx(2 * 0.5**lazy.answers)
    # Ties and ratings have no side.
    report = check_raters(*columns, left=[None] * len(left))
    assert all(math.isnan(q.p_left) for q in report)


def test_too_fast():
    columns = answers(2)
    rng = np.random.default_rng(0)
    seconds = [rng.lognormal(0 if j == 1 else 2.3, 0.5) for j in columns[1]]
    seconds[0] = None
    report = check_raters(*columns, seconds=seconds)
    assert [q.rater for q in report if "speed" in q.reasons] == [1]
    # Somewhat faster than the others is no crime.
    seconds = [rng.lognormal(1.8 if j == 1 else 2.3, 0.5) for j in columns[1]]
    assert not any(q.reasons for q in check_raters(*columns, seconds=seconds))


def test_gold():
    columns = answers(3)
    truth = {0: 1, 1: 0, 2: 1, 3: 1, 4: 0, 5: 0, 6: 1, 7: 0, 8: 0, 9: 1}
    items = [*columns[0], *truth, *truth]
    raters = [*columns[1], *["good"] * 10, *["bad"] * 10]
    said = [*columns[2], *truth.values(), *[1 - v for v in truth.values()]]
    report = {q.rater: q for q in check_raters(items, raters, said, gold=truth)}
    assert report["good"].gold == (10, 10) and not report["good"].suspected
    assert report["bad"].gold == (0, 10) and "gold" in report["bad"].reasons
    assert report["bad"].p_gold == pytest.approx(0.3**10)


def test_a_lonely_rater_is_not_judged():
    [alone] = check_raters([1, 2, 3], ["Ada"] * 3, ["a", "b", "a"])
    assert not alone.suspected and math.isnan(alone.agreement)
    assert alone.to_dict()["p_agreement"] is None
    same = check_raters([1, 1, 2, 2], "abab", [3, 3, 3, 3], level="interval")
    assert not any(q.suspected for q in same)
    # Answering one item twice is no agreement with anybody.
    twice = check_raters([1, 1], ["Ada", "Ada"], ["a", "b"])
    assert math.isnan(twice[0].agreement)


def test_the_same_seed_the_same_report():
    columns = answers(4, clickers=1)
    assert str(check_raters(*columns)) == str(check_raters(*columns))


def test_bad_arguments():
    with pytest.raises(ValueError, match="got 1 items, 1 raters, 2 answers"):
        check_raters([1], [1], [1, 2])
    with pytest.raises(ValueError, match="expected one of nominal"):
        check_raters([1], [1], [1], level="kind")
    with pytest.raises(ValueError, match="between 0 and 1"):
        check_raters([1], [1], [1], false_alarms=0)
