import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rmkeras.rl import (
    AdaptiveKL,
    FixedKL,
    generalized_advantages,
    group_advantages,
    leave_one_out_baseline,
    rewards_to_go,
    whiten,
)
from rmkeras.rl.values import token_rewards

NUMBERS = st.floats(-5, 5, width=32)
TABLES = arrays("float64", (3, 6), elements=NUMBERS)
RATES = st.sampled_from([0.0, 0.3, 0.95, 1.0])


@settings(deadline=None)
@given(TABLES, TABLES, st.lists(st.integers(0, 6), min_size=3, max_size=3), RATES)
def test_gae_is_the_loop(rewards, values, lengths, trace):
    mask = (np.arange(6) < np.array(lengths)[:, None]).astype("float64")
    rewards = rewards * mask
    found = generalized_advantages(rewards, values, mask, 0.9, trace)
    advantages, returns = map(np.array, found)
    for row, length in enumerate(lengths):
        following = 0.0
        for t in reversed(range(6)):
            if t >= length:
                assert advantages[row, t] == 0 == returns[row, t]
                continue
            after = values[row, t + 1] if t + 1 < length else 0.0
            delta = rewards[row, t] + 0.9 * after - values[row, t]
            following = delta + 0.9 * trace * following
            assert advantages[row, t] == pytest.approx(following, abs=1e-4)
            expected = following + values[row, t]
            assert returns[row, t] == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(TABLES, st.sampled_from([0.5, 0.99, 1.0]))
def test_rewards_to_go_are_the_sum(rewards, discount):
    found = np.array(rewards_to_go(rewards, discount))
    for row in range(3):
        for t in range(6):
            expected = sum(rewards[row, s] * discount ** (s - t) for s in range(t, 6))
            assert found[row, t] == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(arrays("float64", (12,), elements=NUMBERS))
def test_baselines_stay_within_their_group(rewards):
    found = np.array(leave_one_out_baseline(rewards, 4))
    for i in range(12):
        group = [j for j in range(i // 4 * 4, i // 4 * 4 + 4) if j != i]
        assert found[i] == pytest.approx(rewards[group].mean(), abs=1e-9)
    table = rewards.reshape(3, 4)
    expected = (table - table.mean(1, keepdims=True)) / (
        table.std(1, ddof=1, keepdims=True) + 1e-4
    )
    np.testing.assert_allclose(
        group_advantages(rewards, 4), expected.ravel(), atol=1e-6
    )


def test_a_group_that_scores_alike_has_no_advantage():
    np.testing.assert_array_equal(group_advantages(np.full(8, 3.0), 4), np.zeros(8))


def test_whitening_uses_the_population_and_only_what_counts():
    values = np.array([[1.0, 2.0, 99.0], [4.0, 7.0, 99.0]])
    mask = np.array([[1.0, 1, 0], [1, 1, 0]])
    real = values[mask > 0]
    found = np.array(whiten(values, mask))
    np.testing.assert_allclose(
        found[mask > 0], (real - real.mean()) / np.sqrt(real.var() + 1e-8)
    )
    assert (found[mask == 0] == 0).all()
    kept = np.array(whiten(values, mask, shift_mean=False))[mask > 0]
    assert kept.mean() == pytest.approx(real.mean())
    assert kept.std() == pytest.approx(1, abs=1e-6)


def test_the_score_is_on_the_last_real_token():
    mask = np.array([[1.0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]], "float32")
    batch = {
        "mask": mask,
        "log_probs": np.zeros((3, 4), "float32"),
        "reference": np.zeros((3, 4), "float32"),
        "scores": np.array([5.0, 6.0, 7.0], "float32"),
    }
    expected = [[0, 0, 5, 0], [6, 0, 0, 0], [0, 0, 0, 7]]
    np.testing.assert_array_equal(token_rewards(batch, 0.3), expected)


def test_adaptive_kl_clips_its_error():
    kl = AdaptiveKL(0.1, target=5.0, horizon=100)
    kl.update(500.0, 10)
    assert kl.value == pytest.approx(0.1 * (1 + 0.2 * 10 / 100))
    kl.update(0.0, 10)
    assert kl.value == pytest.approx(0.1 * 1.02 * 0.98)
    fixed = FixedKL(0.2)
    fixed.update(500.0, 10)
    assert fixed.value == 0.2
    for wrong in ((0, 1), (1, 0)):
        with pytest.raises(ValueError):
            AdaptiveKL(*wrong)
    with pytest.raises(ValueError):
        FixedKL(-1)
