"""Kappa and alpha against NLTK, scikit-learn and Krippendorff's worked example."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.metrics import agreement, interval_distance
from sklearn.metrics import cohen_kappa_score

from rmkeras.metrics import chance, cohen_kappa, krippendorff_alpha

# Four observers and twelve units, section C of Krippendorff (2011).
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
UNITS = list(zip(*OBSERVERS, strict=True))


@pytest.mark.parametrize(
    ("level", "published"),
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)],
)
def test_the_published_example(level, published):
    assert round(krippendorff_alpha(UNITS, level), 3) == published


tables = st.lists(
    st.lists(st.sampled_from([None, 1, 2, 3, 5]), min_size=3, max_size=3),
    min_size=4,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(tables, st.sampled_from(["nominal", "interval"]))
def test_alpha_equals_nltk(table, level):
    kept = [row for row in table if sum(v is not None for v in row) > 1]
    if len({v for row in kept for v in row if v is not None}) < 2:
        return
    triples = [
        (f"r{j}", f"i{i}", v)
        for i, row in enumerate(kept)
        for j, v in enumerate(row)
        if v is not None
    ]
    distance = agreement.binary_distance if level == "nominal" else interval_distance
    expected = agreement.AnnotationTask(triples, distance).alpha()
    assert krippendorff_alpha(table, level) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 2, 5]), st.sampled_from([0, 1, 2, 5])),
        min_size=2,
        max_size=30,
    )
)
def test_kappa_equals_nltk_and_sklearn(pairs):
    first, second = zip(*pairs, strict=True)
    if len(set(first) | set(second)) < 2:
        assert np.isnan(cohen_kappa(first, second))
        return
    assert cohen_kappa(first, second) == pytest.approx(
        cohen_kappa_score(first, second), abs=1e-9
    )
    triples = [("a", i, v) for i, v in enumerate(first)]
    triples += [("b", i, v) for i, v in enumerate(second)]
    task = agreement.AnnotationTask(triples)
    assert cohen_kappa(first, second) == pytest.approx(task.kappa(), abs=1e-9)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_weighted_kappa_equals_sklearn(weights):
    rng = np.random.default_rng(0)
    first = rng.integers(0, 5, 200)
    second = np.clip(first + rng.integers(-1, 2, 200), 0, 4)
    expected = cohen_kappa_score(first, second, weights=weights)
    assert cohen_kappa(first, second, weights) == pytest.approx(expected, abs=1e-9)


def test_kappa_leaves_items_out_that_one_did_not_answer():
    full = cohen_kappa([1, 2, 1, 2], [1, 2, 2, 2])
    holes = cohen_kappa([1, None, 2, 1, 2, 3], [1, 1, 2, 2, 2, float("nan")])
    assert full == holes


def test_chance_is_zero_and_agreement_one():
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 4, (3000, 3)).tolist()
    for level in chance.LEVELS:
        assert abs(krippendorff_alpha(noise, level)) < 0.03
        assert krippendorff_alpha([[1, 1], [2, 2], [7, 7]], level) == 1
    assert abs(cohen_kappa(*zip(*[r[:2] for r in noise], strict=True))) < 0.04


def test_what_cannot_be_computed_is_said():
    with pytest.raises(ValueError, match="two answers; got 2 items"):
        krippendorff_alpha([[1], [None, 2]])
    with pytest.raises(ValueError, match="needs numbers; found 'good'"):
        krippendorff_alpha([["good", "bad"]], "interval")
    with pytest.raises(ValueError, match="expected one of nominal"):
        krippendorff_alpha([[1, 2]], "ratio")
    with pytest.raises(ValueError, match="got 1 and 2"):
        cohen_kappa([1], [1, 2])
    with pytest.raises(ValueError, match="both raters answered"):
        cohen_kappa([1, None], [None, 2])
    with pytest.raises(ValueError, match="numbers, not names"):
        cohen_kappa(["a", "b"], ["a", "b"], "linear")
    assert np.isnan(krippendorff_alpha([[1, 1], [1, 1]]))


def test_examples():
    assert doctest.testmod(chance).failed == 0
