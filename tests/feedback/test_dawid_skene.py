"""Dawid and Skene's model: planted raters, brute force, and EM that climbs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from rmkeras.feedback.dawid_skene import dawid_skene


def planted(accuracies, items=300, classes=3, answers=1.0, seed=0):
    """Answers of raters with known accuracies, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, items)
    rows = []
    for j, accuracy in enumerate(accuracies):
        for i in np.flatnonzero(rng.random(items) < answers):
            wrong = (truth[i] + rng.integers(1, classes)) % classes
            rows.append(
                (int(i), j, int(truth[i] if rng.random() < accuracy else wrong))
            )
    return list(zip(*rows, strict=True)), truth


def vote(items, labels, n, classes):
    table = np.zeros((n, classes))
    np.add.at(table, (list(items), list(labels)), 1)
    return table.argmax(axis=1)


@pytest.mark.parametrize("one_accuracy", [False, True])
def test_planted_accuracies_are_recovered(one_accuracy):
    accuracies = [0.95, 0.9, 0.8, 0.7, 0.6, 1 / 3, 1 / 3]
    columns, truth = planted(accuracies)
    fit = dawid_skene(*columns, one_accuracy=one_accuracy)
    found = [fit.accuracy[j] for j in range(len(accuracies))]
    assert np.abs(np.subtract(found, accuracies)).max() < 0.08
    weights = [fit.weights[j] for j in range(len(accuracies))]
    assert min(weights[:2]) > 0.8 and max(weights[-2:]) < 0.06
    right = np.mean([fit.labels[i] == t for i, t in enumerate(truth)])
    voted = np.mean(vote(columns[0], columns[2], 300, 3) == truth)
    assert right > voted + 0.02


def test_a_rater_who_says_the_opposite_is_worth_as_much():
    columns, truth = planted([0.9, 0.9, 0.9, 0.05], classes=2)
    fit = dawid_skene(*columns)
    assert fit.accuracy[3] < 0.15 and fit.weights[3] > 0.4
    assert np.mean([fit.labels[i] == t for i, t in enumerate(truth)]) > 0.96


def test_always_the_same_key_says_nothing():
    columns, _ = planted([0.9, 0.9, 0.8], classes=2)
    n = 300
    columns = [[*c, *more] for c, more in zip(columns, (range(n), ["lazy"] * n, [0] * n), strict=True)]  # fmt: skip
    fit = dawid_skene(*columns)
    assert fit.weights["lazy"] < 0.01 < 0.2 < fit.weights[0]


answers = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 2)),
    min_size=2,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(answers, st.booleans(), st.booleans())
def test_the_objective_never_falls(rows, one_accuracy, equal):
    items, raters, labels = zip(*rows, strict=True)
    fit = dawid_skene(
        items, raters, labels, None, range(3), one_accuracy, equal_prevalence=equal
    )
    assert min(np.diff(fit.objective), default=0) > -1e-9
    assert np.allclose(fit.posterior.sum(axis=1), 1)
    assert np.allclose(fit.confusion.sum(axis=2), 1)


SMALL = (
    (0, "a", 0), (0, "b", 0), (1, "a", 1), (1, "b", 0), (2, "a", 1), (2, "b", 1),
    (2, "c", 0), (0, "c", 0),
)  # fmt: skip


def log_joint(prevalence, confusion, prior):
    """Brute force: sums over every way in which the three items could be."""
    total = 0.0
    for truth in itertools.product(range(2), repeat=3):
        p = np.prod([prevalence[k] for k in truth])
        for i, j, label in SMALL:
            p *= confusion["abc".index(j), truth[i], label]
        total += p
    penalty = (prior * np.log(confusion)).sum() + np.log(prevalence).sum()
    return np.log(total) + penalty


def test_the_objective_is_that_of_brute_force_and_scipy_finds_no_better():
    fit = dawid_skene(*zip(*SMALL, strict=True), tolerance=1e-13, steps=5000)
    prior = np.array([[1.5, 0.5], [0.5, 1.5]])
    here = log_joint(fit.prevalence, fit.confusion, prior)
    assert here == pytest.approx(fit.objective[-1], abs=1e-6)

    def unpack(x):
        p = 1 / (1 + np.exp(-x))
        theta = np.stack([p[1:].reshape(3, 2), 1 - p[1:].reshape(3, 2)], axis=-1)
        return np.array([p[0], 1 - p[0]]), theta

    rng = np.random.default_rng(0)
    best = max(
        -minimize(lambda x: -log_joint(*unpack(x), prior), rng.normal(size=7)).fun
        for _ in range(5)
    )
    assert fit.objective[-1] == pytest.approx(best, abs=1e-4)
    # The posterior of item 1 by brute force as well.
    by_truth = [
        fit.prevalence[k] * fit.confusion[0, k, 1] * fit.confusion[1, k, 0]
        for k in range(2)
    ]
    assert fit.posterior[1] == pytest.approx(by_truth / np.sum(by_truth), abs=1e-6)


def test_equal_prevalence_leaves_a_tie_open():
    rows = [(i, name, "x") for i in range(9) for name in "ab"]
    rows += [(9, "a", "x"), (9, "b", "y")]
    open_ = dawid_skene(*zip(*rows, strict=True), None, "xy", True, True)
    assert open_.posterior[9, 0] == pytest.approx(0.5)
    assert dawid_skene(*zip(*rows, strict=True), None, "xy", True).posterior[9, 0] > 0.8


def test_half_answers_are_a_tie():
    fit = dawid_skene([0, 0, 1], ["a", "a", "a"], ["x", "y", "x"], [0.5, 0.5, 1])
    assert fit.posterior[0, 0] == pytest.approx(fit.prevalence[0], abs=0.05)
    assert fit.posterior[1, 0] > fit.posterior[0, 0]


def test_bad_arguments():
    with pytest.raises(ValueError, match="got 1 items, 2 raters"):
        dawid_skene([1], [1, 2], [1])
    with pytest.raises(ValueError, match="no answers"):
        dawid_skene([], [], [])
    with pytest.raises(ValueError, match="one label only"):
        dawid_skene([1, 2], [1, 1], ["x", "x"])
    with pytest.raises(ValueError, match="'z' is none of"):
        dawid_skene([1], [1], ["z"], classes="xy")
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        dawid_skene([1, 2], [1, 1], "xy", prior_accuracy=0.4)
