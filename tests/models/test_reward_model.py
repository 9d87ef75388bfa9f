import subprocess
import sys

import keras
import numpy as np
import pytest

from rmkeras.errors import RmkerasError
from rmkeras.layers import TokenSwap
from rmkeras.models import (
    CausalLM,
    RewardModel,
    load_model,
    lstm_reward_model,
    textbook_lstm_reward_model,
    transformer_reward_model,
)
from rmkeras.models.reward_training import compile_reward_model
from rmkeras.text import SubwordTokenizer, pad

TEXTS = [
    "a good film",
    "not good",
    "",
    "wow! 好 😀",
    "a bad, long and boring film " * 4,
]


@pytest.fixture(scope="module")
def tokenizer():
    return SubwordTokenizer.train(TEXTS * 5, 400)


def build(name, tokenizer):
    return {
        "lstm": lambda: lstm_reward_model(tokenizer, dim=8, units=6),
        "textbook": lambda: textbook_lstm_reward_model(tokenizer, dim=8, units=6),
        "transformer": lambda: transformer_reward_model(
            tokenizer, dim=16, num_layers=2, num_heads=2
        ),
        "causal": lambda: transformer_reward_model(
            tokenizer, dim=16, num_layers=2, num_heads=2, causal=True
        ),
    }[name]()


NAMES = ["lstm", "textbook", "transformer", "causal"]


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_no_score(name, tokenizer):
    model = build(name, tokenizer)
    rows = model.encode(TEXTS)
    alone = np.array([model(pad([r]))[0, 0] for r in rows])
    right = np.array(model(pad(rows, 60)))[:, 0]
    left = np.array(model(pad(rows, 57, left=True)))[:, 0]
    np.testing.assert_allclose(right, alone, atol=1e-5)
    np.testing.assert_allclose(left, alone, atol=1e-5)
    assert np.ptp(alone) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_scores_do_not_change_with_batch_size_or_order(name, tokenizer):
    model = build(name, tokenizer)
    scores = model.score(TEXTS)
    np.testing.assert_allclose(model.score(TEXTS, batch_size=2), scores, atol=1e-5)
    np.testing.assert_allclose(model.score(TEXTS[::-1])[::-1], scores, atol=1e-5)


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_a_fresh_process_loads_and_scores_strings(name, tokenizer, tmp_path):
    model = build(name, tokenizer)
    compile_reward_model(model, "huber", 10, 1e-3)
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, json, keras, rmkeras.models\n"
        f"m = keras.saving.load_model({str(tmp_path / 'model.keras')!r}, safe_mode=True)\n"
        "print(json.dumps([float(s) for s in m.score(json.loads(sys.argv[1]))]))"
    )
    import json

    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=True,
    )
    np.testing.assert_allclose(
        json.loads(done.stdout.splitlines()[-1]), model.score(TEXTS), atol=1e-6
    )


def test_a_classifier_scores_probabilities(tokenizer):
    model = lstm_reward_model(tokenizer, dim=8, units=6, task="classification")
    logits = np.array(model(pad(model.encode(TEXTS))))[:, 0]
    np.testing.assert_allclose(model.score(TEXTS), 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_the_gradient_reaches_every_weight(tokenizer):
    import tensorflow as tf

    for name in NAMES:
        model = build(name, tokenizer)
        with tf.GradientTape() as tape:
            loss = keras.ops.sum(keras.ops.square(model(pad(model.encode(TEXTS)))))
        grads = tape.gradient(loss, model.trainable_variables)
        assert all(g is not None for g in grads), name


def test_a_long_text_keeps_its_end_of_text(tokenizer):
    model = lstm_reward_model(tokenizer, dim=8, units=6, max_length=10)
    rows = model.encode(["good " * 100])
    assert len(rows[0]) == 10 and rows[0][-1] == tokenizer.end_id


def test_a_language_model_lends_its_weights(tokenizer):
    lm = CausalLM(tokenizer, dim=16, num_layers=1, num_heads=2, max_length=32)
    model = transformer_reward_model(tokenizer, language_model=lm)
    assert model.encoder.causal and model.max_length == 32
    ids = pad(tokenizer.encode(["a good film"], end=True))
    np.testing.assert_allclose(model.encoder(ids), lm.encoder(ids), atol=1e-6)
    other = SubwordTokenizer.train(["x y z"], 260)
    with pytest.raises(ValueError, match="another tokeniser"):
        transformer_reward_model(other, language_model=lm)


def test_loading_says_what_is_wrong(tokenizer, tmp_path):
    with pytest.raises(RmkerasError, match="no file"):
        load_model(tmp_path / "none.keras")
    with pytest.raises(RmkerasError, match=r"holds no model\.keras"):
        load_model(tmp_path)
    model = build("lstm", tokenizer)
    file = tmp_path / "model.keras"
    model.save(file)
    with pytest.raises(RmkerasError, match="holds a RewardModel; expected a CausalLM"):
        load_model(file, CausalLM)
    assert isinstance(load_model(tmp_path, RewardModel), RewardModel)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(RmkerasError, match="not a complete"):
        load_model(file)


def test_words_are_swapped_in_training_alone(tokenizer, tmp_path):
    plain = lstm_reward_model(tokenizer, dim=8, units=6, token_dropout=0.0, dropout=0.0)
    swapped = RewardModel(
        tokenizer, plain.encoder, plain.pooling, augment=TokenSwap(1.0, seed=0)
    )
    swapped.build()
    swapped.head.set_weights(plain.head.get_weights())
    np.testing.assert_allclose(swapped.score(TEXTS), plain.score(TEXTS), atol=1e-6)
    ids = pad(plain.encode(["a bad, long and boring film"]))
    ids = np.concatenate([ids, np.array(TokenSwap(1.0)(ids, training=True))])
    same, trained = plain(ids[1:]).numpy(), swapped(ids[:1], training=True).numpy()
    np.testing.assert_allclose(trained, same, atol=1e-6)
    assert abs(plain(ids[:1]).numpy() - same).max() > 1e-6
    swapped.save(tmp_path / "model.keras")
    assert load_model(tmp_path).augment.rate == 1.0


def test_an_unknown_task_is_refused(tokenizer):
    with pytest.raises(ValueError, match="rank"):
        lstm_reward_model(tokenizer, task="rank")
