"""Ratings with biases and noises: planted raters, SciPy, and EM that climbs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from rmkeras.feedback.rating_raters import rating_raters


def planted(noise, bias, items=150, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.5, items)
    rows = [
        (i, j, truth[i] + bias[j] + rng.normal(0, noise[j]))
        for i in range(items)
        for j in range(len(noise))
    ]
    return list(zip(*rows, strict=True)), truth


def test_planted_biases_and_noises_are_recovered():
    noise, bias = [0.4, 0.6, 0.8, 1.0, 3.0, 3.0], [0.5, -0.5, 0.0, 0.3, -0.3, 0.0]
    columns, truth = planted(noise, bias)
    fit = rating_raters(*columns)
    assert np.abs(np.log(fit.noise / noise)).max() < 0.2
    apart = fit.bias - fit.bias.mean() - (np.array(bias) - np.mean(bias))
    assert np.abs(apart).max() < 0.35
    mean = np.bincount(columns[0], columns[2]) / len(noise)
    error = np.sqrt(np.mean((fit.quality - truth) ** 2))
    assert error < 0.7 * np.sqrt(np.mean((mean - truth) ** 2))
    # The posterior is honest: 95 % of the truths within two standard deviations.
    off = np.abs(fit.quality + fit.bias.mean() - truth) / fit.quality_std
    assert 0.88 < np.mean(off < 2) < 0.99
    assert max(fit.weights, key=fit.weights.get) == 0


ratings = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(-4, 4)),
    min_size=2,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(ratings)
def test_the_objective_never_falls(rows):
    items, raters, values = zip(*rows, strict=True)
    if len(set(values)) == 1:
        return
    fit = rating_raters(items, raters, values)
    scale = max(1.0, np.abs(fit.objective).max())
    assert min(np.diff(fit.objective), default=0) > -1e-9 * scale
    assert np.isfinite(fit.quality).all() and (fit.noise > 0).all()


def test_the_objective_is_the_marginal_density_and_scipy_finds_no_better():
    columns, _ = planted([0.5, 1.0, 2.0], [0.3, 0.0, -0.3], items=12, seed=2)
    keep = [n for n in range(36) if n % 5]  # some are missing
    items, raters, y = (np.array(c)[keep] for c in columns)
    fit = rating_raters(items, raters, y, tolerance=1e-13, steps=20000)
    means = np.bincount(items, y) / np.bincount(items)
    square = (y - means[items]) ** 2
    each = [square[raters == j].mean() for j in range(3)]
    spread = np.median(each) * len(y) / (len(y) - 12)
    at = [fit.raters.index(j) for j in range(3)]

    def negative(x):
        b, v, m, tau = x[:3], np.exp(x[3:6]), x[6], np.exp(x[7])
        total = 0.0
        for i in range(12):
            own = items == i
            cov = np.diag(v[raters[own]]) + tau
            total += multivariate_normal.logpdf(y[own], m + b[raters[own]], cov)
        total -= (b**2).sum() / (2 * 0.25 * spread)
        total -= (2 * (np.log(v) + spread / v)).sum() / 2
        return -(total - (np.log(tau) + spread / tau) / 2)

    start = np.array([0, 0, 0, 0, 0, 0, y.mean(), 0.0])
    best = minimize(negative, start, options={"gtol": 1e-7})
    assert fit.objective[-1] == pytest.approx(-best.fun, abs=1e-4)
    assert fit.noise[at] ** 2 == pytest.approx(np.exp(best.x[3:6]), rel=0.02)
    assert fit.bias[at] == pytest.approx(best.x[:3], abs=0.02)


def test_equal_raters_give_the_mean_shrunk():
    fit = rating_raters([0, 0, 1, 1], ["a", "b", "a", "b"], [3, 3, -1, -1])
    assert fit.ratings[0] == pytest.approx(3, abs=0.2)
    assert fit.weights["a"] == pytest.approx(fit.weights["b"])


def test_bad_arguments():
    with pytest.raises(ValueError, match="answer 1 is no number"):
        rating_raters([1, 2], [1, 1], [1, float("nan")])
    with pytest.raises(ValueError, match="all ratings are 2"):
        rating_raters([1, 2], [1, 1], [2, 2])
    with pytest.raises(ValueError, match="both above 0"):
        rating_raters([1, 2], [1, 1], [2, 3], bias_scale=0)
    with pytest.raises(ValueError, match="no answers"):
        rating_raters([], [], [])
