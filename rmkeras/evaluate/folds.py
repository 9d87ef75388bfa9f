"""k-fold evaluation on comparisons, and the linear baseline on the same folds."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rmkeras.errors import RmkerasError
from rmkeras.evaluate.lengths import answer_lengths
from rmkeras.evaluate.scoring import needs_records, pair_texts, score_texts
from rmkeras.metrics import (
    clustered_wilson_interval,
    pair_outcomes,
    wilson_interval,
)


def prompt_folds(
    preferences: Sequence[Any], folds: int = 5, seed: int = 0
) -> np.ndarray:
    """Deals pairs to folds so that pairs that share a prompt stay together.

    Args:
        preferences: n objects with `prompt`, `chosen`, `rejected`. Without a prompt
            a pair is grouped by its chosen answer's text, so that exact copies
            stay together too.
        folds: Number of folds.
        seed: Decides the order in which prompts are dealt.

    Returns:
        Array of shape `(n,)`: the fold of each pair, from 0. Sizes differ by no
        more than the largest group.

    Raises:
        RmkerasError: If there are fewer prompts than folds, or fewer than 2 folds.
    """
    groups: dict[Any, list[int]] = {}
    for i, record in enumerate(preferences):
        groups.setdefault(record.prompt or (record.chosen,), []).append(i)
    if folds < 2 or len(groups) < folds:
        raise RmkerasError(
            f"{folds} folds need at least 2 folds and as many different prompts; "
            f"there are {len(groups)} prompts"
        )
    members = list(groups.values())
    np.random.default_rng(seed).shuffle(members)
    # Large groups first, each to the emptiest fold; equal ones stay shuffled.
    members.sort(key=len, reverse=True)
    fold, sizes = np.zeros(len(preferences), "int64"), np.zeros(folds, "int64")
    for group in members:
        smallest = int(sizes.argmin())
        fold[group] = smallest
        sizes[smallest] += len(group)
    return fold


def cross_validate_pairs(
    train_function: Callable[[list[Any]], Any],
    preferences: Sequence[Any],
    folds: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    r"""Accuracy over all pairs, each judged by a model that has not seen its prompt.

    With $f(i)$ the fold of pair $i$ and $r^{(f)}$ trained on all folds but $f$,

    $$ \frac1n \sum_i \left[ r^{(f(i))}(c_i) > r^{(f(i))}(r_i) \right] . $$

    A few hundred held-out pairs leave six points of doubt on either side; all of
    them together leave two.

    Args:
        train_function: Takes a list of preferences, returns a model with `score`.
        preferences: n objects with `prompt`, `chosen`, `rejected`.
        folds: Number of folds.
        seed: Seed of `prompt_folds`.

    Returns:
        A dict ready for JSON: `pairwise_accuracy`, `interval` (Wilson over all
        pairs; it takes the models for given and knows nothing of the luck of their
        training), `prompt_interval` (wider where pairs share a prompt), `ties`,
        `length_baseline`, `n`, `by_fold` (accuracies), and `margins`, the margin
        of each pair in the order of `preferences`.

    Raises:
        RmkerasError: If there are not enough prompts, or a reward is not finite.

    Example:

    >>> from types import SimpleNamespace as Pair
    >>> from rmkeras.evaluate import cross_validate_pairs, fit_tfidf_pairs
    >>> pairs = [Pair(prompt=f"question {i}: ", chosen="yes of course",
    ...               rejected="no never") for i in range(10)]
    >>> cross_validate_pairs(fit_tfidf_pairs, pairs)["pairwise_accuracy"]
    1.0

    Source: Stone, "Cross-validatory choice and assessment of statistical
    predictions" (1974).
    """
    preferences = needs_records(preferences, "comparisons")
    fold = prompt_folds(preferences, folds, seed)
    margins = np.zeros(len(preferences))
    for f in range(folds):
        held_out = np.flatnonzero(fold == f)
        model = train_function([preferences[i] for i in np.flatnonzero(fold != f)])
        margins[held_out] = pair_margins(model, [preferences[i] for i in held_out])
        # A model and its graphs point at each other: without this the models of all
        # folds would be in memory together.
        del model
        gc.collect()
    outcomes = pair_outcomes(margins, np.zeros(len(margins)))
    groups = [r.prompt or (r.chosen,) for r in preferences]
    return {
        "pairwise_accuracy": float(outcomes.mean()),
        "interval": list(wilson_interval(outcomes.sum(), len(outcomes))),
        "prompt_interval": list(clustered_wilson_interval(outcomes, groups)),
        "ties": int((margins == 0).sum()),
        "length_baseline": float(pair_outcomes(*answer_lengths(preferences)).mean()),
        "n": len(outcomes),
        "by_fold": [float(outcomes[fold == f].mean()) for f in range(folds)],
        "margins": margins.tolist(),
    }


def pair_margins(model: Any, preferences: Sequence[Any]) -> np.ndarray:
    """Returns r(prompt + chosen) − r(prompt + rejected), shape `(n,)`."""
    first, second = pair_texts(preferences)
    rewards = score_texts(model, first + second)
    return rewards[: len(first)] - rewards[len(first) :]


class TfidfPairs:
    r"""A linear reward model: r(x) = w · tfidf(x), as `fit_tfidf_pairs` fits it.

    Args:
        vectorizer: A fitted `TfidfVectorizer`.
        weights: Array of shape `(features,)`.
    """

    def __init__(self, vectorizer, weights: np.ndarray):
        self.vectorizer = vectorizer
        self.weights = weights

    def score(self, texts: Sequence[str]) -> np.ndarray:
        """Scores a list of n strings; returns an array `(n,)`."""
        return self.vectorizer.transform(texts) @ self.weights


def fit_tfidf_pairs(
    train: Sequence[Any],
    ngram_range: tuple[int, int] = (1, 2),
    min_df: int = 2,
    strength: float = 1.0,
) -> TfidfPairs:
    r"""Fits Bradley and Terry's model on counts: logistic regression on differences.

    $$ P(c \succ r) = \sigma\left(w^\top (x_c - x_r)\right) $$

    with x the TF-IDF of words and word pairs of prompt + answer. The prompt's words
    nearly cancel; what is left of them is the length that each x is divided by.
    Each difference is shown from both sides, so there is no intercept and the model
    cannot learn which side comes first.

    Args:
        train: n preferences.
        ngram_range: Shortest and longest n-gram in words.
        min_df: In how many texts an n-gram must occur to count.
        strength: Inverse of the penalty on w.

    Returns:
        A `TfidfPairs`; its `score` reads prompt + answer.

    Raises:
        RmkerasError: If there are no records.

    Example:

    >>> from types import SimpleNamespace as Pair
    >>> from rmkeras.evaluate import fit_tfidf_pairs
    >>> pairs = [Pair(prompt="", chosen="yes indeed", rejected="no never")] * 4
    >>> yes, no = fit_tfidf_pairs(pairs).score(["yes", "no"])
    >>> bool(yes > no)
    True

    Source: Bradley and Terry (1952); scikit-learn's `TfidfVectorizer` and
    `LogisticRegression`.
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train = needs_records(train, "comparisons")
    vectorizer = TfidfVectorizer(ngram_range=ngram_range, min_df=min_df)
    chosen, rejected = pair_texts(train)
    vectorizer.fit(chosen + rejected)
    difference = vectorizer.transform(chosen) - vectorizer.transform(rejected)
    x = sparse.vstack([difference, -difference])
    y = np.repeat([1, 0], len(train))
    model = LogisticRegression(C=strength, fit_intercept=False, max_iter=1000)
    return TfidfPairs(vectorizer, model.fit(x, y).coef_[0])


def tfidf_logistic_pairs(train: Sequence[Any], test: Sequence[Any]) -> np.ndarray:
    """Margins of TF-IDF + logistic regression on differences: the bar to clear.

    Args:
        train: n preferences.
        test: m preferences.

    Returns:
        Array of shape `(m,)`: log-odds that the chosen answer wins, from
        `fit_tfidf_pairs` on the training pairs. Trained on 8,029 pairs of
        alpaca_eval it is right in 69.4 % of 1,341 others, on 1,525 of hh_harmless
        in 61.4 % of 277. (Sublinear counts give 67.6 % and 58.8 %.)

    Raises:
        RmkerasError: If there are no training or no test records.

    Example:

    >>> from types import SimpleNamespace as Pair
    >>> from rmkeras.evaluate import tfidf_logistic_pairs
    >>> pairs = [Pair(prompt="", chosen="yes indeed", rejected="no never")] * 4
    >>> bool(tfidf_logistic_pairs(pairs, pairs[:1])[0] > 0)
    True
    """
    return pair_margins(fit_tfidf_pairs(train), needs_records(test, "comparisons"))
