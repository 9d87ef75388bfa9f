import numpy as np
import pytest
from scipy.optimize import curve_fit

from rmkeras.evaluate import fit_overoptimization

FORMS = {
    "best-of-n": lambda d, a, b: d * (a - b * d),
    "rl": lambda d, a, b: d * (a - b * np.log(d)),
}


@pytest.mark.parametrize("kind", FORMS)
def test_the_fit_is_scipys_and_its_peak_the_highest_point(kind):
    d = np.linspace(0.1, 4, 30)
    gold = FORMS[kind](d, 1.3, 0.4) + np.random.default_rng(0).normal(0, 0.05, 30)
    fit = fit_overoptimization(d, gold, kind)
    expected, _ = curve_fit(FORMS[kind], d, gold)
    np.testing.assert_allclose([fit.alpha, fit.beta], expected, rtol=1e-4)
    assert fit.r2 > 0.9
    grid = np.linspace(0.01, 4 * fit.peak, 20_001)
    assert grid[fit(grid).argmax()] == pytest.approx(fit.peak, rel=1e-2)
    assert fit(0.0) == 0


def test_a_line_has_no_peak_and_nonsense_is_refused():
    d = np.linspace(0, 2, 5)
    assert fit_overoptimization(d, d + 0.1 * d**2, "best-of-n").peak == np.inf
    with pytest.raises(ValueError, match="two points"):
        fit_overoptimization([0, 1], [0, 1], "rl")
    with pytest.raises(ValueError, match="best-of-n or rl"):
        fit_overoptimization(d, d, "ppo")
