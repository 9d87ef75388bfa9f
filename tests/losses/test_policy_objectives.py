import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rmkeras.losses import (
    BradleyTerry,
    clipped_policy_loss,
    clipped_value_loss,
    masked_average,
    preference_policy_loss,
)

# Hundredths: a denormal number times another is 0 in one order and not in another.
HUNDREDTHS = st.integers(-200, 200).map(lambda n: n / 100)
TABLES = arrays("float64", (3, 4), elements=HUNDREDTHS)
MASK = np.array([[1.0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]])


@settings(deadline=None)
@given(TABLES)
def test_averages_weigh_texts_as_they_say(values):
    rows = [values[i][MASK[i] > 0] for i in range(3)]
    expected = {
        "token": np.concatenate(rows).mean(),
        "sequence": np.mean([r.mean() for r in rows]),
        "constant": sum(r.sum() for r in rows) / (3 * 4),
    }
    for how, number in expected.items():
        found = float(masked_average(values, MASK, how))
        assert found == pytest.approx(number, abs=1e-6)


@settings(deadline=None)
@given(TABLES, TABLES, TABLES)
def test_the_clipped_loss_is_the_loop(new, old, advantages):
    loss, found = clipped_policy_loss(new, old, advantages, MASK, 0.2, 0.3)
    total = clipped = 0.0
    for i in range(3):
        for t in range(4):
            if not MASK[i, t]:
                continue
            ratio = np.exp(new[i, t] - old[i, t])
            a = advantages[i, t]
            bounded = min(max(ratio, 0.8), 1.3) * a
            total += min(ratio * a, bounded)
            clipped += bounded < ratio * a
    assert float(loss) == pytest.approx(-total / MASK.sum(), rel=1e-4, abs=1e-5)
    assert float(found["clip_fraction"]) == pytest.approx(clipped / MASK.sum())


def test_the_gradient_stops_outside_the_trust_region_on_the_good_side_alone():
    old = tf.zeros((1, 4))
    new = tf.Variable([[0.5, -0.5, 0.5, -0.5]])
    advantages = tf.constant([[1.0, 1.0, -1.0, -1.0]])
    with tf.GradientTape() as tape:
        loss, _ = clipped_policy_loss(new, old, advantages, tf.ones((1, 4)))
    gradient = tape.gradient(loss, new).numpy()[0]
    # Gone up and good: enough. Gone down and bad: enough. The others go back.
    assert gradient[0] == 0 == gradient[3]
    assert gradient[1] < 0 < gradient[2]


def test_padding_has_a_ratio_of_one_whatever_it_holds():
    new, old = np.full((3, 4), 0.0), np.full((3, 4), 0.0)
    new[MASK == 0], old[MASK == 0] = 50.0, -1e9
    loss, found = clipped_policy_loss(new, old, np.ones((3, 4)), MASK)
    assert float(loss) == pytest.approx(-1) and float(found["ratio"]) == 1
    assert float(found["approximate_kl"]) == 0


def test_padding_may_hold_what_is_no_number():
    new, old = np.zeros((3, 4), "float32"), np.zeros((3, 4), "float32")
    new[MASK == 0] = old[MASK == 0] = -np.inf
    old[0][MASK[0] == 0] = 0.0
    variable = tf.Variable(new)
    with tf.GradientTape() as tape:
        loss, found = clipped_policy_loss(variable, old, np.ones(3), MASK)
    assert float(loss) == pytest.approx(-1) and float(found["ratio"]) == 1
    gradient = tape.gradient(loss, variable).numpy()
    assert (gradient[MASK == 0] == 0).all() and np.isfinite(gradient).all()


@settings(deadline=None)
@given(TABLES, TABLES, TABLES)
def test_the_value_loss_is_the_loop(values, old, returns):
    total = 0.0
    for i, t in zip(*np.nonzero(MASK), strict=True):
        near = old[i, t] + np.clip(values[i, t] - old[i, t], -0.2, 0.2)
        errors = [(v - returns[i, t]) ** 2 for v in (values[i, t], near)]
        total += max(errors) / 2
    found = float(clipped_value_loss(values, old, returns, MASK))
    assert found == pytest.approx(total / MASK.sum(), abs=1e-5)


@settings(deadline=None)
@given(arrays("float64", (4, 5), elements=st.floats(-30, 30)))
def test_dpo_and_ipo_are_their_formulas(logs):
    beta, eps = 0.3, 0.1
    h = (logs[0] - logs[2]) - (logs[1] - logs[3])
    loss, margin = preference_policy_loss(*logs, beta, eps)
    expected = (1 - eps) * np.logaddexp(0, -beta * h) + eps * np.logaddexp(0, beta * h)
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(margin, beta * h, rtol=1e-5, atol=1e-6)
    loss, _ = preference_policy_loss(*logs, beta, kind="ipo")
    np.testing.assert_allclose(loss, (h - 1 / (2 * beta)) ** 2, rtol=1e-4, atol=1e-6)


def test_dpo_is_bradley_terry_of_the_log_ratios():
    logs = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    said = np.array([[1, 0.75, 0.5, 0.25, 0, 0.9], [0, 0.5, 0, -1, 2, 3]], "float32")
    beta, how = 0.5, {"probability": said[0], "offset": said[1]}
    rewards = beta * (logs[:2] - logs[2:])
    for eps in (0.0, 0.1):
        expected = BradleyTerry(eps, reduction=None)(said.T, rewards.T)
        loss, margin = preference_policy_loss(*logs, beta, eps, **how)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        np.testing.assert_allclose(margin, rewards[0] - rewards[1], rtol=1e-5)
    # The lowest point of IPO is at β h = p − ½ + m.
    zero = np.zeros(6, "float32")
    h = (said[0] - 0.5 + said[1]) / beta
    found = [
        preference_policy_loss(x, zero, zero, zero, beta, kind="ipo", **how)[0]
        for x in (h - 1e-2, h, h + 1e-2)
    ]
    assert (found[1] < found[0]).numpy().all() and (found[1] < found[2]).numpy().all()


def test_dpo_is_finite_far_out_and_refuses_nonsense():
    far = [np.array([x]) for x in (-1e4, 1e4, 0.0, 0.0)]
    assert np.isfinite(preference_policy_loss(*far)[0]).all()
    with pytest.raises(ValueError, match=r"0\.5"):
        preference_policy_loss(*far, label_smoothing=0.5)
    with pytest.raises(ValueError, match="dpo or ipo"):
        preference_policy_loss(*far, kind="kto")
    with pytest.raises(ValueError, match="sequence"):
        masked_average(np.ones((1, 1)), np.ones((1, 1)), "mean")
