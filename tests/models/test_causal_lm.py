import math

import keras
import numpy as np
import pytest

from rmkeras.models import CausalLM
from rmkeras.models.language_model import (
    compile_language_model,
    language_model_batches,
    packed_language_batches,
    perplexity,
)
from rmkeras.text import SubwordTokenizer, pad

TEXTS = ["a good film", "not a good film at all", "wow", "a film is a film is a film"]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    tokenizer = SubwordTokenizer.train(TEXTS * 5, 300)
    return CausalLM(tokenizer, dim=16, num_layers=2, num_heads=2, max_length=32)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def by_hand(model, texts):
    """Sum of −log p and number of tokens, one text and one token at a time."""
    loss, tokens = 0.0, 0
    for row in model.encode(texts):
        logits = log_softmax(np.array(model(np.array([row])), "float64")[0])
        for t in range(len(row) - 1):
            loss -= logits[t, row[t + 1]]
            tokens += 1
    return loss, tokens


def test_perplexity_equals_a_loop(model):
    loss, tokens = by_hand(model, TEXTS)
    assert math.isclose(perplexity(model, TEXTS), math.exp(loss / tokens), rel_tol=1e-4)
    assert math.isclose(
        perplexity(model, TEXTS, batch_size=1), math.exp(loss / tokens), rel_tol=1e-4
    )


def test_the_training_loss_counts_real_tokens_only(model):
    compile_language_model(model, 10)
    x, y = next(iter(language_model_batches(model, TEXTS, 4)))
    assert (np.array(y) == 0).any(), "the batch should hold padding"
    x, y = np.array(x), np.array(y)
    logits = log_softmax(np.array(model(x), "float64"))
    loss, tokens = 0.0, 0
    for i, t in zip(*np.nonzero(y), strict=True):
        loss -= logits[i, t, y[i, t]]
        tokens += 1
    assert tokens < y.size
    got = model.evaluate(x, y, batch_size=4, verbose=0)
    assert math.isclose(got, loss / tokens, rel_tol=1e-4)


@pytest.mark.parametrize("packed", [False, True])
def test_the_loss_of_many_batches_is_the_mean_of_all_tokens(model, packed):
    compile_language_model(model, 10)
    texts = [*TEXTS, *TEXTS, "wow", "film"]
    if packed:
        batches = packed_language_batches(model, model.encode(texts), 1)()
        assert len(batches) > 1
    else:
        batches = language_model_batches(model, texts, 2)
    got = model.evaluate(batches, verbose=0)
    loss, tokens = by_hand(model, texts)
    assert math.isclose(got, loss / tokens, rel_tol=1e-4)
    assert math.isclose(math.exp(got), perplexity(model, texts), rel_tol=1e-4)


def test_a_text_begins_and_ends_with_end_of_text(model):
    row = model.encode(["a good film"])[0]
    assert row[0] == row[-1] == model.tokenizer.end_id
    assert len(model.encode(["film " * 99])[0]) == 32


def test_padding_has_no_probability(model):
    logits = np.array(model(pad(model.encode(TEXTS))))
    assert (np.exp(log_softmax(logits.astype("float64")))[..., 0] == 0).all()


def test_left_padding_changes_no_logit(model):
    row = model.encode(["a good film"])[0]
    alone = np.array(model(np.array([row])))[0]
    left = np.array(model(pad([row], 20, left=True)))[0, -len(row) :]
    np.testing.assert_allclose(left, alone, atol=1e-5)


def test_it_survives_its_file(model, tmp_path):
    model.save(tmp_path / "lm.keras")
    again = keras.saving.load_model(tmp_path / "lm.keras")
    ids = pad(model.encode(TEXTS))
    np.testing.assert_array_equal(again(ids), model(ids))
    assert again.tokenizer == model.tokenizer


def test_the_unigram_bias_predicts_frequencies():
    tokenizer = SubwordTokenizer.train(TEXTS * 5, 300)
    model = CausalLM(tokenizer, dim=16, num_layers=1, num_heads=2, max_length=32)
    before = perplexity(model, TEXTS)
    model.set_unigram_bias(model.encode(TEXTS * 50))
    after = perplexity(model, TEXTS)
    tokens = np.concatenate([r[1:] for r in model.encode(TEXTS)])
    share = np.bincount(tokens) / len(tokens)
    entropy = -sum(p * math.log(p) for p in share if p)
    assert before > 200 and after < 1.6 * math.exp(entropy)
