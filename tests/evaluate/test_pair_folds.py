import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import Pair, Rule, shared_pairs

from rmkeras.errors import RmkerasError
from rmkeras.evaluate import (
    cross_validate_pairs,
    fit_tfidf_pairs,
    tfidf_logistic_pairs,
)
from rmkeras.evaluate.folds import prompt_folds
from rmkeras.metrics import pairwise_accuracy


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 12), min_size=5, max_size=60),
    st.integers(2, 5),
    st.integers(0, 99),
)
def test_prompts_stay_together_and_folds_are_even(prompts, folds, seed):
    pairs = [Pair("a", "b", f"q{p}") for p in prompts]
    if len(set(prompts)) < folds:
        with pytest.raises(RmkerasError, match="different prompts"):
            prompt_folds(pairs, folds, seed)
        return
    fold = prompt_folds(pairs, folds, seed)
    for p in set(prompts):
        assert len({f for f, q in zip(fold, prompts, strict=True) if q == p}) == 1
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.min() > 0
    assert np.ptp(sizes) <= max(prompts.count(p) for p in set(prompts))
    assert (fold == prompt_folds(pairs, folds, seed)).all()


def test_another_seed_deals_otherwise():
    pairs = [Pair("a", "b", f"q{i}") for i in range(50)]
    assert (prompt_folds(pairs, 5, 0) != prompt_folds(pairs, 5, 1)).any()


def test_no_model_sees_a_prompt_that_it_is_judged_on():
    pairs = [Pair("a" * (i % 3), "a", f"q{i // 4} ") for i in range(80)]

    def train(seen):
        known = {p.prompt for p in seen}

        def rule(text):
            assert not any(text.startswith(k) for k in known)
            return len(text)

        return Rule(rule)

    found = cross_validate_pairs(train, pairs, folds=4)
    lengths = [len(p.chosen) for p in pairs]
    assert found["pairwise_accuracy"] == pairwise_accuracy(lengths, [1] * 80)
    assert found["n"] == 80 and len(found["by_fold"]) == 4
    assert found["margins"] == [n - 1 for n in lengths]
    assert found["ties"] == sum(n == 1 for n in lengths)
    low, high = found["interval"]
    assert low < found["pairwise_accuracy"] < high


def test_the_linear_baseline_is_logistic_regression_on_differences():
    rng = np.random.default_rng(0)
    pairs = [
        Pair(*(" ".join(2 * c for c in rng.choice(list(w), 6)) for w in words))
        for words in [("abcdef", "abcghi")] * 40
    ]
    model = fit_tfidf_pairs(pairs, ngram_range=(1, 1))
    x = model.vectorizer.transform([p.chosen for p in pairs])
    x = (x - model.vectorizer.transform([p.rejected for p in pairs])).toarray()
    # At the minimum of the loss its gradient vanishes: w = 2 Σ σ(-w·x) x.
    w = model.weights
    pull = 2 * (x / (1 + np.exp(x @ w))[:, None]).sum(0)
    np.testing.assert_allclose(w, pull, atol=0.01)
    margins = tfidf_logistic_pairs(pairs, pairs)
    turned = [Pair(p.rejected, p.chosen) for p in pairs]
    np.testing.assert_allclose(tfidf_logistic_pairs(pairs, turned), -margins)
    with pytest.raises(RmkerasError, match="no comparisons"):
        tfidf_logistic_pairs([], pairs)


def test_known_accuracy_of_the_linear_baseline():
    train, test = (shared_pairs(f"hh_harmless.{p}") for p in ("train", "valid"))
    margins = tfidf_logistic_pairs(train, test)
    assert pairwise_accuracy(margins, 0 * margins) == pytest.approx(0.614, abs=0.01)


def test_one_fold_s_model_is_gone_before_the_next_is_trained():
    alive, most = [], []

    class Model:
        def __init__(self):
            self.itself = self  # As a model and its graphs do.

        def score(self, texts):
            return [float(len(text)) for text in texts]

    def train(records):
        most.append(sum(reference() is not None for reference in alive))
        model = Model()
        alive.append(weakref.ref(model))
        return model

    pairs = [
        Pair(prompt=f"{i}: ", chosen="longer", rejected="short") for i in range(12)
    ]
    gc.disable()
    try:
        assert cross_validate_pairs(train, pairs, folds=3)["pairwise_accuracy"] == 1
    finally:
        gc.enable()
    assert most == [0, 0, 0]
