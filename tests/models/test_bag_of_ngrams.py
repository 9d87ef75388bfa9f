import keras
import numpy as np
import pytest

from rmkeras.data import Preference, Rating
from rmkeras.models import load_model, ngram_reward_model
from rmkeras.models.preference_training import train_preference_model
from rmkeras.models.reward_training import train_reward_model
from rmkeras.text import SubwordTokenizer

TEXTS = ["a good film", "a bad film", "not a good film", "good, not bad", "film"]


@pytest.fixture(scope="module")
def model():
    tokenizer = SubwordTokenizer.train(TEXTS * 3, vocabulary_size=300)
    model = ngram_reward_model(tokenizer, dim=4, buckets=50)
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    return model


def by_hand(model, ids):
    """Mean over real tokens of the token's row and its pair's, times the head."""
    table, kernel, bias = (np.array(w, "float64") for w in model.get_weights())
    size, buckets = model.tokenizer.vocabulary_size, model.encoder.buckets
    rows = []
    for t, token in enumerate(ids):
        rows.append(table[token].copy())
        if t:
            rows[-1] += table[size + (ids[t - 1] * 31_337 + token) % buckets]
    return float(np.mean(rows, axis=0) @ kernel[:, 0] + bias[0])


def test_it_is_the_mean_of_words_and_pairs(model):
    for text in TEXTS:
        (ids,) = model.encode([text])
        assert float(model.score([text])[0]) == pytest.approx(
            by_hand(model, ids), abs=1e-5
        )


@pytest.mark.parametrize("left, right", [(0, 3), (3, 0), (2, 2)])
def test_padding_on_either_side_changes_nothing(model, left, right):
    (ids,) = model.encode(["not a good film"])
    alone = float(model.reward(np.array([ids]))[0])
    padded = np.array([[0] * left + ids + [0] * right])
    assert float(model.reward(padded)[0]) == pytest.approx(alone, abs=1e-6)


def test_what_was_never_seen_says_nothing():
    tokenizer = SubwordTokenizer.train(TEXTS * 3, vocabulary_size=300)
    fresh = ngram_reward_model(tokenizer, shift=1.5, scale=2.0)
    np.testing.assert_array_equal(fresh.score([*TEXTS, "zebra"]), 1.5)


def test_it_learns_what_words_alone_cannot_tell():
    """Both kinds of text hold the same words, in another order."""
    generator = np.random.default_rng(0)
    records = []
    for _ in range(400):
        pair, good = (
            (["bad", "not"], -1.0)
            if generator.random() < 0.5
            else (["not", "bad"], 1.0)
        )
        rest = list(generator.choice(["film", "plot", "cast"], 2))
        records.append(Rating(text=" ".join([rest[0], *pair, rest[1]]), rating=good))
    model, _ = train_reward_model(
        records[:300], model="ngrams", vocabulary_size=300, progress=False
    )
    found = model.score([r.text for r in records[300:]])
    wanted = np.array([r.rating for r in records[300:]])
    assert (np.sign(found) == wanted).mean() > 0.95


def test_it_learns_comparisons_and_survives_its_file(tmp_path):
    pairs = [
        Preference(prompt=f"{i}? ", chosen="yes, good", rejected="no, bad")
        for i in range(64)
    ]
    model, _ = train_preference_model(
        pairs, model="ngrams", vocabulary_size=300, epochs=30, progress=False
    )
    yes, no = model.score(["99? yes, good", "99? no, bad"])
    assert yes > no + 0.5
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        again.score(["yes", "no"]), model.score(["yes", "no"])
    )
    assert (
        isinstance(again, keras.Model)
        and type(again.encoder).__name__ == "NgramEncoder"
    )
