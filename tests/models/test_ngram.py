import itertools
import math

import numpy as np
import pytest

from rmkeras.models import NGramLM
from rmkeras.text import SubwordTokenizer

TEXTS = ["this film is not a good film", "a good film", "not this"]
TOKENIZER = SubwordTokenizer.train(TEXTS * 5, 270)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one(order):
    model = NGramLM(TOKENIZER, order).fit(TEXTS)
    words = [str(i) for i in range(1, TOKENIZER.vocabulary_size)]
    row = model._words(TEXTS)[0]
    past = order - 1
    for context in (row[:past], row[1 : past + 1], ["9999"] * past):
        total = sum(model.model.score(w, context) for w in words)
        assert math.isclose(total, 1.0, abs_tol=1e-6)


def test_known_text_is_less_surprising():
    model = NGramLM(TOKENIZER).fit(TEXTS)
    assert model.perplexity(TEXTS) < model.perplexity(["film wow not zzz"])


def test_unigrams_are_counts_by_hand():
    model = NGramLM(TOKENIZER, 1).fit(TEXTS)
    rows = TOKENIZER.encode(TEXTS, end=True)
    size = TOKENIZER.vocabulary_size - 1
    counts = np.ones(size + 1)
    for row in rows:
        np.add.at(counts, row, 1)
    tokens = [t for row in rows for t in row]
    expected = math.exp(
        -np.mean([np.log(counts[t] / counts[1:].sum()) for t in tokens])
    )
    assert math.isclose(model.perplexity(TEXTS), expected, rel_tol=1e-9)


def test_bigrams_are_the_formula_by_hand():
    model = NGramLM(TOKENIZER, 2).fit(TEXTS)
    one = NGramLM(TOKENIZER, 1).fit(TEXTS).model
    rows = [["<s>", *map(str, r)] for r in TOKENIZER.encode(TEXTS, end=True)]
    pairs = [(a, b) for row in rows for a, b in itertools.pairwise(row)]
    first, second = rows[0][1], rows[0][2]
    followers = [b for a, b in pairs if a == first]
    share = max(followers.count(second) - 0.75, 0) / len(followers)
    rest = 0.75 * len(set(followers)) / len(followers) * one.score(second)
    assert math.isclose(model.model.score(second, [first]), share + rest, rel_tol=1e-9)


def test_samples_come_from_the_seed():
    model = NGramLM(TOKENIZER, 3).fit(TEXTS * 4)
    assert model.sample(3, seed=1) == model.sample(3, seed=1) != model.sample(3, seed=2)


def test_a_senseless_order_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        NGramLM(TOKENIZER, 0)
