import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.rl import best_of_n_curve, best_of_n_kl


@settings(max_examples=40)
@given(st.lists(st.integers(-50, 50), min_size=4, max_size=6, unique=True))
def test_the_curve_is_the_mean_over_all_subsets(scores):
    others = [s * s for s in scores]
    for n in range(1, len(scores) + 1):
        subsets = list(itertools.combinations(range(len(scores)), n))
        expected = np.mean([others[max(c, key=scores.__getitem__)] for c in subsets])
        found = best_of_n_curve(scores, others, [n])[0]
        assert found == pytest.approx(expected)


def test_the_kl_is_that_of_the_density():
    from scipy.integrate import quad

    for n in (1, 2, 4, 16, 64):

        def integrand(f, n=n):
            density = n * f ** (n - 1)
            return density * math.log(density) if density > 0 else 0.0

        assert best_of_n_kl(n) == pytest.approx(quad(integrand, 0, 1)[0], abs=1e-6)


@pytest.mark.parametrize("n", [0, 4])
def test_an_n_that_cannot_be(n):
    with pytest.raises(ValueError):
        best_of_n_curve([1.0, 2.0, 3.0], ns=[n])
    with pytest.raises(ValueError):
        best_of_n_kl(0)
