import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from rmkeras.losses import token_log_probabilities
from rmkeras.models import CausalLM
from rmkeras.rl import Sampler
from rmkeras.text import SubwordTokenizer

PROMPTS = ["", "a", "a good", "this film is not"]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    tokenizer = SubwordTokenizer.train(["this film is not a good film"] * 5, 290)
    model = CausalLM(tokenizer, dim=16, num_layers=2, num_heads=2, max_length=40)
    # Larger weights than at the start, so that predictions depend on the context.
    model.set_weights([3 * w for w in model.get_weights()])
    model.bias.assign(keras.ops.one_hot(1, model.bias.shape[0]) * 2.0)  # texts end
    return model


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from(PROMPTS), min_size=1, max_size=5), st.integers(0, 99))
def test_log_probabilities_equal_a_full_pass(model, prompts, seed):
    sampler = test_log_probabilities_equal_a_full_pass.__dict__.setdefault(
        "sampler", Sampler(model, 12)
    )
    samples = sampler(prompts, seed=seed)
    sequence = samples.sequence()
    full = token_log_probabilities(model(sequence[:, :-1]), sequence[:, 1:])[:, -12:]
    mask = np.array(samples.mask)
    np.testing.assert_allclose(
        np.array(samples.log_probs)[mask], np.array(full)[mask], atol=1e-4
    )
    assert (np.array(samples.log_probs)[~mask] == 0).all()


def test_nothing_follows_end_of_text(model):
    ids = np.array(Sampler(model, 20)(batch_size=64, seed=0).ids)
    stopped = 0
    for row in ids:
        ends = np.flatnonzero(row == 1)
        if len(ends):
            stopped += 1
            assert len(ends) == 1 and (row[ends[0] + 1 :] == 0).all()
            assert (row[: ends[0]] > 1).all()
        else:
            assert (row > 1).all()
    assert stopped > 0


def test_draws_follow_the_softmax(model):
    n = 4000
    first = np.array(Sampler(model, 1)(["a good"] * n, seed=5).ids)[:, 0]
    ids = np.array([model.tokenizer.encode(["a good"], start=True)[0]])
    logits = np.array(model(ids), "float64")[0, -1]
    p = np.exp(logits - logits.max())
    p[0] = 0
    p /= p.sum()
    common = np.argsort(-p)[:20]
    seen = np.array([(first == i).sum() for i in common])
    rest = n - seen.sum()
    expected = np.append(p[common], 1 - p[common].sum()) * n
    assert chisquare(np.append(seen, rest), expected).pvalue > 1e-4


def test_a_seed_decides_everything(model):
    sampler = Sampler(model, 10)
    a, b, c = (np.array(sampler(PROMPTS, seed=s).ids) for s in (3, 3, 4))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_rows_are_drawn_independently(model):
    ids = np.array(Sampler(model, 10)(batch_size=40, seed=0).ids)
    assert len({tuple(r) for r in ids}) > 20


def test_shapes_of_one_bucket_share_a_graph(model):
    sampler = Sampler(model, 5)
    for prompts in (PROMPTS[:3], [*PROMPTS[:3], "a"], ["a good"] * 4):
        sampler(prompts)
    assert sampler.functions.begin.experimental_get_tracing_count() == 1
    assert sampler.functions.go_on.experimental_get_tracing_count() == 1


def test_a_row_is_the_same_in_any_batch(model):
    sampler = Sampler(model, 10)
    prompts = [PROMPTS[i % 4] for i in range(13)]
    whole = np.array(sampler(prompts, seed=2).ids)
    first, rest = (
        sampler(prompts[:4], seed=2),
        sampler(prompts[4:], seed=2, first_row=4),
    )
    np.testing.assert_array_equal(whole, np.concatenate([first.ids, rest.ids]))


def test_several_samples_of_a_prompt_stand_side_by_side(model):
    sampler = Sampler(model, 8)
    found = sampler(PROMPTS, seed=1, samples=3)
    assert found.ids.shape == (12, 8)
    repeated = [p for p in PROMPTS for _ in range(3)]
    np.testing.assert_array_equal(found.ids, sampler(repeated, seed=1).ids)
    np.testing.assert_array_equal(found.prompt_ids, sampler(repeated).prompt_ids)


def test_the_cache_grows_without_a_trace(model, monkeypatch):
    from rmkeras.rl import decoding as module

    whole = np.array(Sampler(model, 25)(PROMPTS, seed=1).ids)
    monkeypatch.setattr(module, "GROWTH", 4)
    np.testing.assert_array_equal(Sampler(model, 25)(PROMPTS, seed=1).ids, whole)


def test_compiled_and_not_draw_the_same(model):
    a = Sampler(model, 10, top_p=0.8)(PROMPTS, seed=1)
    b = Sampler(model, 10, top_p=0.8, compile=False)(PROMPTS, seed=1)
    np.testing.assert_array_equal(a.ids, b.ids)
    np.testing.assert_allclose(a.log_probs, b.log_probs, atol=1e-4)


def test_a_stream_is_the_text_in_pieces(model):
    sampler = Sampler(model, 12)
    for seed in range(4):
        pieces = list(sampler.stream("a good", seed=seed))
        assert "".join(pieces) == sampler.texts(["a good"], seed=seed)[0]


def test_other_tokens_may_end_a_text(model):
    stop = model.tokenizer.encode(["film"])[0][-1]
    found = Sampler(model, 20, stop_ids=(stop, 1))(batch_size=64, seed=0)
    ids, ended = np.array(found.ids), np.array(found.ended)
    assert ended.any()
    for row, end in zip(ids, ended, strict=True):
        places = np.flatnonzero((row == stop) | (row == 1))
        assert bool(len(places)) == end
        if end:
            assert (row[places[0] + 1 :] == 0).all() and len(places) == 1


def test_log_probabilities_with_all_options_equal_a_full_pass(model):
    options = {"temperature": 0.7, "top_k": 9, "top_p": 0.8, "repetition_penalty": 1.3}
    found = Sampler(model, 10, **options)(PROMPTS, seed=3)
    sequence, start = np.array(found.sequence()), found.prompt_ids.shape[1]
    for row in range(len(PROMPTS)):
        for t in range(10):
            token = found.ids[row, t]
            if not found.mask[row, t]:
                continue
            before = sequence[row, : start + t]
            z = np.array(model(before[None]), "float64")[0, -1]
            for i in set(before[before > 0]):
                z[i] = z[i] / 1.3 if z[i] > 0 else z[i] * 1.3
            z /= 0.7
            z[z < np.sort(z)[-9]] = -np.inf
            p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
            order = np.argsort(-p)
            nucleus = order[: np.searchsorted(np.cumsum(p[order]), 0.8) + 1]
            assert token in nucleus
            expected = np.log(p[token] / p[nucleus].sum())
            assert abs(float(found.log_probs[row, t]) - expected) < 1e-3


def test_top_k_draws_among_the_best(model):
    ids = np.array([model.tokenizer.encode(["a good"], start=True)[0]])
    logits = np.array(model(ids))[0, -1]
    logits[0] = -np.inf
    best = set(np.argsort(-logits)[:3])
    drawn = np.array(Sampler(model, 1, top_k=3)(["a good"] * 200).ids)[:, 0]
    assert set(drawn) == best


def test_low_temperature_is_greedy(model):
    drawn = np.array(Sampler(model, 1, temperature=1e-4)(["a good"] * 20).ids)[:, 0]
    assert len(set(drawn)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_new_tokens": 0}, "1 or more"),
        ({"temperature": 0.0}, "positive"),
        ({"top_p": 0.0}, "above 0"),
        ({"top_k": -1}, "0 "),
        ({"repetition_penalty": 0.0}, "positive"),
    ],
)
def test_options_are_checked(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        Sampler(model, **arguments)


def test_what_does_not_fit_is_refused(model):
    with pytest.raises(ValueError, match="40 positions"):
        Sampler(model, 40)(["a good film"])
    with pytest.raises(ValueError, match="batch_size"):
        Sampler(model, 4)()


def test_parts_of_a_batch_are_drawn_like_the_whole(model, monkeypatch):
    from rmkeras.rl import decoding as module

    whole = Sampler(model, 6, compile=False)(PROMPTS, seed=1, samples=2)
    monkeypatch.setattr(module, "PART", 2)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 3)  # 4 prompts: 2 parts
    parts = Sampler(model, 6, compile=False)(PROMPTS, seed=1, samples=2)
    np.testing.assert_array_equal(parts.ids, whole.ids)
    np.testing.assert_allclose(parts.log_probs, whole.log_probs, atol=1e-5)
    np.testing.assert_array_equal(parts.ended, whole.ended)


@pytest.fixture
def half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def test_a_model_in_half_precision_draws_in_float32_on_a_processor(
    model, half_precision
):
    half = CausalLM.from_config(model.get_config())
    half.set_weights(model.get_weights())
    assert half.compute_dtype == "bfloat16"
    kept = [*half.decoding_weights()[0][0].qkv, *half.empty_caches(2, 3)[0]]
    assert {keras.backend.standardize_dtype(x.dtype) for x in kept} == {"float32"}
    # Prompts are read in bfloat16, and what is drawn after them is noted as drawn.
    samples = Sampler(half, 12)(PROMPTS * 8, seed=0)
    sequence = samples.sequence()
    full = token_log_probabilities(model(sequence[:, :-1]), sequence[:, 1:])[:, -12:]
    mask = np.array(samples.mask)
    away = np.abs(np.array(samples.log_probs) - np.array(full))[mask]
    assert away.mean() < 0.03 and away.max() < 0.3
