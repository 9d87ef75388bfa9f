"""Bradley and Terry with raters: planted ones, SciPy, and EM that climbs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import kendalltau

from rmkeras.feedback.crowd_bradley_terry import crowd_bradley_terry


def planted(reliability, items=25, each=120, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, items)
    rows = []
    for k, eta in enumerate(reliability):
        for _ in range(each):
            i, j = rng.choice(items, 2, replace=False)
            first = rng.random() < 1 / (1 + np.exp(scores[j] - scores[i]))
            if first != (rng.random() < eta):
                i, j = j, i
            rows.append((int(i), int(j), k))
    return list(zip(*rows, strict=True)), scores


def test_planted_reliabilities_are_recovered():
    reliability = [0.98, 0.95, 0.9, 0.75, 0.5, 0.5, 0.1]
    columns, scores = planted(reliability)
    fit = crowd_bradley_terry(*columns)
    at = [fit.raters.index(k) for k in range(7)]
    assert np.abs(fit.reliability[at] - reliability).max() < 0.12
    assert fit.weights[6] == 0 and fit.weights[0] > 0.8
    true = scores[list(fit.items)]
    trusting = crowd_bradley_terry(*columns, prior_right=1e6, prior_wrong=1)
    assert kendalltau(fit.scores, true)[0] > kendalltau(trusting.scores, true)[0] + 0.1
    assert np.corrcoef(fit.scores, true)[0, 1] > 0.95


comparisons = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 2), st.floats(0, 1)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(comparisons)
def test_the_objective_never_falls(rows):
    winners, gaps, raters, shares = zip(*rows, strict=True)
    losers = [(w + g) % 4 for w, g in zip(winners, gaps, strict=True)]
    fit = crowd_bradley_terry(winners, losers, raters, shares, steps=40)
    assert min(np.diff(fit.objective), default=0) > -1e-9
    assert ((fit.reliability > 0) & (fit.reliability < 1)).all()


def test_scipy_finds_no_better_and_the_objective_is_the_formula():
    columns, _ = planted([0.95, 0.9, 0.5], items=5, each=15, seed=3)
    fit = crowd_bradley_terry(*columns, tolerance=1e-13, steps=5000)
    at = {name: i for i, name in enumerate(fit.items)}
    who = {name: i for i, name in enumerate(fit.raters)}

    def negative(x):
        s, eta = x[:5], 1 / (1 + np.exp(-x[5:]))
        total = 4 * np.log(eta).sum() + np.log(1 - eta).sum() - (s**2).sum() / 18
        for i, j, k in zip(*columns, strict=True):
            p = 1 / (1 + np.exp(s[at[j]] - s[at[i]]))
            e = eta[who[k]]
            total += np.log(e * p + (1 - e) * (1 - p))
        return -total

    here = np.concatenate([fit.scores, np.log(fit.reliability / (1 - fit.reliability))])
    assert -negative(here) == pytest.approx(fit.objective[-1], abs=1e-6)
    best = min(
        (minimize(negative, here * 0 + x) for x in (0.1, 1.0)), key=lambda r: r.fun
    )
    assert fit.objective[-1] == pytest.approx(-best.fun, abs=1e-4)
    assert fit.scores == pytest.approx(best.x[:5] - best.x[:5].mean(), abs=0.02)


def test_a_tie_moves_nobody():
    fit = crowd_bradley_terry(["a"] * 5, ["b"] * 5, ["r"] * 5, [0.5] * 5)
    assert fit.probability("a", "b") == pytest.approx(0.5)
    assert crowd_bradley_terry(["a"], ["b"], ["r"]).probability("a", "b") > 0.5


def test_bad_arguments():
    with pytest.raises(ValueError, match="'a' with itself"):
        crowd_bradley_terry(["a"], ["a"], ["r"])
    with pytest.raises(ValueError, match="no comparisons"):
        crowd_bradley_terry([], [], [])
    with pytest.raises(ValueError, match="outside 0 to 1"):
        crowd_bradley_terry(["a"], ["b"], ["r"], [2])
    with pytest.raises(ValueError, match="prior_right the largest"):
        crowd_bradley_terry(["a"], ["b"], ["r"], prior_wrong=9)
