import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from rmkeras.rl.draw import draw, keep_likely, penalize_repeats, uniforms

LOGITS = arrays(
    np.float32, (3, 37), elements=st.floats(-12, 12, width=32, allow_subnormal=False)
)


def softmax(z):
    e = np.exp(z.astype("float64") - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(LOGITS, st.lists(st.floats(0, 0.9999), min_size=3, max_size=3))
def test_draw_inverts_the_cumulative_distribution(logits, uniform):
    uniform = np.array(uniform, "float32")
    token, log_prob = (np.array(x) for x in draw(tf.constant(logits), uniform))
    p = softmax(logits)
    sums = np.cumsum(p, axis=1)
    for row in range(3):
        t = token[row]
        # Up to rounding at the edges between two tokens.
        assert sums[row, t] > uniform[row] - 1e-5
        assert sums[row, t] - p[row, t] <= uniform[row] + 1e-5
        assert abs(log_prob[row] - np.log(p[row, t])) < 1e-4


def test_draw_never_takes_what_is_impossible():
    logits = np.full((5, 10), -1e9, "float32")
    logits[:, [2, 7]] = 0.0
    for u in (0.0, 0.25, 0.5, 0.75, np.nextafter(np.float32(1), np.float32(0))):
        token, log_prob = draw(
            tf.constant(logits), tf.fill((5,), tf.constant(u, "float32"))
        )
        assert set(token.numpy()) <= {2, 7}
        np.testing.assert_allclose(log_prob, np.log(0.5), atol=1e-6)


def test_draws_follow_the_softmax_over_a_large_vocabulary():
    n, size = 20_000, 4096
    logits = np.random.default_rng(0).normal(0, 2, (1, size)).astype("float32")
    uniform = uniforms(3, 1, n)[0]
    seen = np.zeros(size)
    for part in np.split(uniform, 20):
        tokens, _ = draw(tf.repeat(tf.constant(logits), len(part), 0), part)
        seen += np.bincount(tokens.numpy(), minlength=size)
    # Tokens in 50 groups of equal expected count.
    p = softmax(logits)[0]
    group = np.minimum((np.cumsum(p[np.argsort(p)]) * 50).astype(int), 49)
    order = np.argsort(p)
    expected = np.bincount(group, p[order], minlength=50) * n
    found = np.bincount(group, seen[order], minlength=50)
    assert chisquare(found, expected * found.sum() / expected.sum()).pvalue > 1e-3


@settings(max_examples=60, deadline=None)
@given(LOGITS, st.integers(1, 40))
def test_top_k_keeps_the_k_largest_and_their_equals(logits, k):
    kept = keep_likely(tf.constant(logits), top_k=k).numpy() > -1e8
    mass = np.exp(logits - logits.max(-1, keepdims=True))
    bound = np.sort(mass, axis=1)[:, -min(k, 37)][:, None]
    # A rounding of exp may make two neighbours equal, or not.
    assert (kept[mass > bound * (1 + 1e-6)]).all()
    assert not (kept[mass < bound * (1 - 1e-6)]).any()
    assert (kept.sum(1) >= min(k, 37)).all()


@settings(max_examples=60, deadline=None)
@given(LOGITS, st.floats(0.05, 0.99))
def test_top_p_keeps_the_smallest_set_that_is_enough(logits, p):
    kept = keep_likely(tf.constant(logits), top_p=p).numpy() > -1e8
    for row, probabilities in zip(kept, softmax(logits), strict=True):
        assert probabilities[row].sum() >= p - 1e-5
        least = probabilities[row].min()
        assert (probabilities[~row] <= least + 1e-7).all()
        strictly = probabilities[row & (probabilities > least * (1 + 1e-6))]
        assert strictly.sum() < p + 1e-5


def test_the_penalty_is_that_of_transformers():
    logits = tf.constant([[2.0, -2.0, 1.0, -1e9]])
    seen = tf.constant([[True, True, False, True]])
    found = penalize_repeats(logits, seen, 2.0).numpy()
    np.testing.assert_allclose(found, [[1.0, -4.0, 1.0, -1e9]])


def test_uniform_numbers_belong_to_rows():
    whole = uniforms(5, 6, 7)
    np.testing.assert_array_equal(whole[4:], uniforms(5, 2, 7, first_row=4))
    np.testing.assert_array_equal(whole[:, :3], uniforms(5, 6, 3))
    assert (whole != uniforms(6, 6, 7)).mean() > 0.99
    many = uniforms(0, 300, 50)
    assert ((many >= 0) & (many < 1)).all() and abs(many.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(many[:-1].ravel(), many[1:].ravel())[0, 1]) < 0.03
