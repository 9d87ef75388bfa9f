import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import groupby

import keras
import numpy as np
import pytest
import tensorflow as tf

from rmkeras.data import Preference, Rating
from rmkeras.errors import RmkerasError
from rmkeras.models import (
    AspectRewardModel,
    RewardEnsemble,
    load_model,
    lstm_reward_model,
    transformer_reward_model,
)
from rmkeras.models.aspect_training import compile_aspect_model, train_aspect_model
from rmkeras.models.preference_training import train_preference_model
from rmkeras.models.reward_training import train_reward_model
from rmkeras.rewards import LearnedReward
from rmkeras.text import SubwordTokenizer, pad

TEXTS = ["a good film", "bad", "", "not so bad, is it?"]
ASPECTS = ("fluent", "is it true/new?", "creative")  # Names are people's own.
NAN = float("nan")
SMALL = {
    "epochs": 2,
    "batch_size": 8,
    "vocabulary_size": 300,
    "progress": False,
    "model_options": {"dim": 8, "units": 6},
}


@pytest.fixture(scope="module")
def tokenizer():
    return SubwordTokenizer.train(TEXTS * 5, 300)


def build(tokenizer, **options):
    keras.utils.set_random_seed(0)
    trunk = lstm_reward_model(tokenizer, dim=8, units=4)
    options = {"scale": [1.0, 2.0, 0.5], "shift": [0.0, -1.0, 3.0]} | options
    return AspectRewardModel.on_trunk(trunk, ASPECTS, **options)


@pytest.fixture(scope="module")
def records():
    """Two aspects of made-up reviews; a text is often rated for one alone."""
    words = {"good": (2, 0), "bad": (-2, 0), "loud": (0, 3), "calm": (0, -1)}
    words |= {"the": (0, 0), "film": (0, 0)}
    rng, rows = np.random.default_rng(0), []
    for _ in range(150):
        chosen = rng.choice(list(words), size=rng.integers(1, 6))
        means = np.mean([words[w] for w in chosen], axis=0)
        for name, mean in zip(("quality", "volume"), means, strict=True):
            if rng.random() < 0.7:
                rows.append(Rating(" ".join(chosen), float(mean), aspect=name))
    return rows


def test_scores_by_aspect_are_those_of_the_network(tokenizer):
    model = build(tokenizer, weights=[0.5, 0.3, 0.2])
    ids = pad(model.encode(TEXTS))
    pooled = model.pooling(model.encoder(ids), mask=ids != 0).numpy()
    kernel, bias = model.head.get_weights()
    expected = (pooled @ kernel + bias) * [1.0, 2.0, 0.5] + [0.0, -1.0, 3.0]
    found = model.score_aspects(TEXTS)
    assert tuple(found) == ASPECTS
    np.testing.assert_allclose(np.stack(list(found.values()), 1), expected, atol=1e-5)
    np.testing.assert_allclose(
        model.score(TEXTS), expected @ [0.5, 0.3, 0.2], atol=1e-5
    )
    np.testing.assert_allclose(model.reward(ids), model.score(TEXTS), atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 1e-4


def test_the_reward_is_the_mean_unless_weights_are_given(tokenizer):
    model = build(tokenizer)
    mean = np.mean(list(model.score_aspects(TEXTS).values()), axis=0)
    np.testing.assert_allclose(model.score(TEXTS), mean, atol=1e-5)


def test_of_a_classifier_logits_are_added(tokenizer):
    model = build(tokenizer, task="classification", scale=1.0, shift=0.0)
    logits = model(pad(model.encode(TEXTS))).numpy()
    found = np.stack(list(model.score_aspects(TEXTS).values()), 1)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), atol=1e-5)
    expected = 1 / (1 + np.exp(-logits.mean(axis=1)))
    np.testing.assert_allclose(model.score(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("balance", ["fixed", "learned", "adaptive"])
def test_the_masked_loss_is_that_of_a_loop(tokenizer, balance):
    model = build(tokenizer, balance=balance)
    compile_aspect_model(model, "mse", 10, 1e-3)
    ids = pad(model.encode(TEXTS))
    rated = [[1.0, NAN, 2.0], [NAN, NAN, 0.0], [-1.0, NAN, NAN], [NAN, NAN, NAN]]
    log_variance = np.array([0.3, -0.4, 0.8])
    if balance == "learned":
        model.uncertainty.log_variance.assign(log_variance)
    weights = np.array([0.5, 1.5, 1.0])
    if balance == "adaptive":
        model.loss_weights.assign(weights)
    outputs = model(ids).numpy()
    total, errors = 0.0, {0: [], 1: [], 2: []}
    for row, output in zip(rated, outputs, strict=True):
        for a, (y, r) in enumerate(zip(row, output, strict=True)):
            if y == y:
                errors[a].append((y - r) ** 2)
    if balance == "learned":
        for a, found in errors.items():
            if found:
                s = log_variance[a]
                total += 0.5 * np.exp(-s) * np.mean(found) + 0.5 * s
    else:
        w = weights if balance == "adaptive" else np.ones(3)
        total = sum(w[a] * sum(found) for a, found in errors.items()) / len(TEXTS)
    found = model.evaluate(ids, np.array(rated), verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], total, rtol=1e-4)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(ids, np.array(rated), model(ids))
    slope = tape.gradient(loss, model.head.kernel.value).numpy()
    # The second aspect was rated nowhere: its head does not move.
    assert (slope[:, 1] == 0).all() and (slope[:, [0, 2]] != 0).all()
    assert np.isfinite(slope).all()


def test_correlations_leave_out_what_nobody_rated(tokenizer):
    from scipy.stats import pearsonr

    model = build(tokenizer)
    compile_aspect_model(model, "huber", 10, 1e-3)
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["good", "bad", "film"], 4)) for _ in range(30)]
    y = rng.normal(size=(30, 3))
    y[rng.random((30, 3)) < 0.4] = NAN
    ids = pad(model.encode(texts))
    found = model.evaluate(ids, y, batch_size=7, verbose=0, return_dict=True)
    for a, name in enumerate(ASPECTS):
        there = ~np.isnan(y[:, a])
        expected = pearsonr(model(ids).numpy()[there, a], y[there, a])[0]
        np.testing.assert_allclose(found[f"pearson_{name}"], expected, atol=1e-4)


@pytest.mark.parametrize("balance", ["learned", "adaptive"])
def test_a_fresh_process_loads_it_and_goes_on(tokenizer, tmp_path, balance):
    model = build(tokenizer, balance=balance, weights=[1.0, 0.0, 2.0])
    compile_aspect_model(model, "huber", 10, 1e-2)
    y = np.array([[1.0, NAN, 2.0], [2.0, 0.0, NAN], [NAN, 1.0, 1.0], [0.0, 0.0, 0.0]])
    ids = pad(model.encode(TEXTS))
    for _ in range(3):
        model.fit(ids, y, verbose=0)
        model.adapt()
    if balance == "learned":
        assert (model.uncertainty.log_variance.numpy() != 0).all()
    else:
        assert np.ptp(model.loss_weights.numpy()) > 0
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, json, keras, rmkeras.models\n"
        f"m = keras.saving.load_model({str(tmp_path / 'model.keras')!r}, safe_mode=True)\n"
        "texts = json.loads(sys.argv[1])\n"
        "print(json.dumps([m.aspects, m.score(texts).tolist(),\n"
        "    [float(abs(w).sum()) for w in m.get_weights()], m.optimizer.iterations.numpy().tolist()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=True,
    )
    aspects, scores, sums, steps = json.loads(done.stdout.splitlines()[-1])
    assert tuple(aspects) == ASPECTS and steps == 3
    np.testing.assert_allclose(scores, model.score(TEXTS), atol=1e-5)
    np.testing.assert_allclose(
        sums, [np.abs(w).sum() for w in model.get_weights()], rtol=1e-6
    )


@pytest.mark.parametrize("balance", ["fixed", "learned", "adaptive"])
def test_each_head_learns_its_aspect(records, balance):
    model, history = train_aspect_model(
        records,
        records[:40],
        balance=balance,
        **{**SMALL, "epochs": 15, "learning_rate": 2e-2},
    )
    found = model.score_aspects(["good film", "bad film", "loud film", "calm film"])
    assert np.ptp(found["quality"][:2]) > 1.0 > np.ptp(found["quality"][2:]) + 0.3
    assert np.ptp(found["volume"][2:]) > 1.0 > np.ptp(found["volume"][:2]) + 0.3
    assert history["val_pearson_quality"][-1] > 0.9
    assert history["aspects"] == ["quality", "volume"]
    assert history["texts"] < len(records)


def test_a_stream_teaches_what_a_list_does(records):
    # A text that comes again would count again in the stream.
    runs = [(text, list(run)) for text, run in groupby(records, lambda r: r.text)]
    rows = [row for run in dict(reversed(runs)).values() for row in run]
    listed, _ = train_aspect_model(rows, **{**SMALL, "epochs": 8})
    streamed, _ = train_aspect_model(lambda: iter(rows), **{**SMALL, "epochs": 8})
    assert streamed.shift == pytest.approx(listed.shift, abs=1e-5)
    assert streamed.scale == pytest.approx(listed.scale, abs=1e-5)
    texts = ["good", "bad loud", "calm the film"]
    for name in ("quality", "volume"):
        a, b = (m.score_aspects(texts)[name] for m in (listed, streamed))
        assert np.corrcoef(a, b)[0, 1] > 0.7


@pytest.mark.parametrize("stop", [3, 25])
def test_stopped_and_resumed_equals_uninterrupted(records, tmp_path, monkeypatch, stop):
    import signal

    from rmkeras.models import training

    options = SMALL | {"balance": "adaptive", "epochs": 4}
    whole, _ = train_aspect_model(records, **options)
    original, seen = training._Stopper.on_train_batch_end, []

    def count(self, batch, logs=None):
        original(self, batch, logs)
        seen.append(batch)
        if len(seen) == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(training._Stopper, "on_train_batch_end", count)
        with pytest.raises(training.Interrupted):
            train_aspect_model(records, out=tmp_path, **options)
    resumed, _ = train_aspect_model(records, out=tmp_path, resume=True, **options)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.ptp(resumed.loss_weights.numpy()) > 0


def test_aspects_are_classified(records):
    model, _ = train_aspect_model(
        records, loss="bce", **{**SMALL, "epochs": 15, "learning_rate": 2e-2}
    )
    found = model.score_aspects(["good good", "bad bad"])["quality"]
    assert found[0] > 0.8 and found[1] < 0.2


def test_it_stands_wherever_a_reward_model_can(records, tokenizer):
    model = build(tokenizer)
    reward = LearnedReward(model)
    np.testing.assert_allclose(reward(TEXTS), model.score(TEXTS), atol=1e-5)
    ids = pad(model.encode(TEXTS))
    inside = reward.score_ids(tf.constant(ids), tokenizer)
    np.testing.assert_allclose(inside, model.score(TEXTS), atol=1e-5)
    both = RewardEnsemble([model, build(tokenizer)])
    np.testing.assert_allclose(both.reward(ids), both.score(TEXTS), atol=1e-5)
    name = ASPECTS[2]
    single = [m.score_aspects(TEXTS)[name] for m in both.members]
    found = both.score_aspects(TEXTS)[name]
    np.testing.assert_allclose(found, np.mean(single, axis=0), atol=1e-5)


def test_comparisons_train_the_sum(tokenizer, tmp_path):
    build(tokenizer, balance="learned").save(tmp_path / "model.keras")
    pairs = [Preference("a good film", "bad"), Preference("good", "not so bad")] * 12
    before = load_model(tmp_path).score(["a good film", "bad"])
    model, history = train_preference_model(
        pairs,
        model=str(tmp_path),
        epochs=10,
        batch_size=8,
        progress=False,
        learning_rate=3e-2,
    )
    after = model.score(["a good film", "bad"])
    assert after[0] - after[1] > before[0] - before[1] + 0.5
    assert history["pairwise_accuracy"][-1] == 1.0


def test_a_trunk_can_be_taken_over_and_trained_further(records, tmp_path):
    plain = [replace(r, aspect=None) for r in records]
    train_reward_model(plain, out=tmp_path / "plain", **SMALL)
    options = SMALL | {"model": str(tmp_path / "plain"), "model_options": {}}
    model, _ = train_aspect_model(records, out=tmp_path / "two", **options)
    assert model.tokenizer == load_model(tmp_path / "plain").tokenizer
    options["model"] = str(tmp_path / "two")
    again, _ = train_aspect_model(records[:50], **options)
    assert again.aspects == ("quality", "volume")
    with pytest.raises(RmkerasError, match="judges quality, volume, and these rat"):
        train_reward_model(plain, **options)
    with pytest.raises(RmkerasError, match="trained for regression"):
        train_aspect_model(records, loss="bce", **options)


def test_a_transformer_may_be_the_trunk(tokenizer):
    trunk = transformer_reward_model(tokenizer, dim=16, num_layers=1, num_heads=2)
    model = AspectRewardModel.on_trunk(trunk, ("a", "b"))
    assert model.score(TEXTS).shape == (4,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "raters"}, "--loss raters is not for several"),
        ({"aspects": ("quality", "wit")}, "nobody rated 'wit'"),
        ({"aspects": ("quality",)}, "of 'quality' alone"),
        ({"weights": {"wit": 2}}, "a weight for 'wit'"),
        ({"weights": {"quality": 0, "volume": 0}}, "a sum above 0"),
        ({"loss": "bce", "threshold": 9.0}, "every rating of 'quality' is at or below"),
        ({"validation": [Rating("x", 1.0)]}, "ratings of 'overall'; the model judges"),
    ],
)
def test_what_does_not_fit_is_named(records, options, message):
    with pytest.raises(RmkerasError, match=message):
        train_aspect_model(records, **{**SMALL, **options})


def test_wrong_arguments_are_refused(tokenizer):
    trunk = lstm_reward_model(tokenizer, dim=8, units=4)
    for aspects, options, message in (
        (("a", "a"), {}, "two or more different"),
        (("a", "b"), {"weights": [1.0]}, "2 aspects and 1 weights"),
        (("a", "b"), {"balance": "even"}, "fixed, learned, adaptive"),
    ):
        with pytest.raises(ValueError, match=message):
            AspectRewardModel.on_trunk(trunk, aspects, **options)
    model = AspectRewardModel.on_trunk(trunk, ("a", "b"), balance="learned")
    model.compile("adam", keras.losses.MeanSquaredError())
    with pytest.raises(ValueError, match="compile with one"):
        model.fit(pad(model.encode(TEXTS)), np.zeros((4, 2)), verbose=0)
