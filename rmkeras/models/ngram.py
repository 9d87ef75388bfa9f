"""n-gram language models: counting, and what to do about what was never seen."""

from __future__ import annotations

import math

import numpy as np


class NGramLM:
    """A smoothed n-gram model on the same tokens: what a network has to beat.

    p(w | h) interpolates the counts of n-grams, (n−1)-grams, … single tokens by
    absolute discounting:

    p(w | h) = max(c(hw) − d, 0) / c(h) + d · N(h) / c(h) · p(w | h′)

    with N(h) the number of different tokens seen after h, and h′ the context h
    without its first token. Each single token is counted once more than seen, so
    that no probability is zero. Counting and probabilities are `nltk.lm`'s.

    Args:
        tokenizer: The tokeniser of the model to compare with.
        order: n.
        max_length: That model's length; longer texts are cut alike.

    Example:

    >>> from rmkeras.models import NGramLM
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> trigram = NGramLM(tokenizer).fit(["a good film"] * 20)
    >>> trigram.perplexity(["a good film"]) < trigram.perplexity(["film film a"])
    True

    Source: Ney, Essen and Kneser (1994), "On Structuring Probabilistic
    Dependences in Stochastic Language Modelling".
    """

    def __init__(self, tokenizer, order=3, max_length=64, discount=0.75):
        from nltk.lm import AbsoluteDiscountingInterpolated

        if order < 1:
            raise ValueError(f"order is {order}; it must be 1 or more")
        self.tokenizer = tokenizer
        self.order = order
        self.max_length = max_length
        self.model = AbsoluteDiscountingInterpolated(order, discount=discount)

    def _words(self, texts):
        rows = self.tokenizer.encode(texts, max_length=self.max_length - 1, end=True)
        return [[*["<s>"] * (self.order - 1), *map(str, row)] for row in rows]

    def fit(self, texts, progress=False):
        """Counts the n-grams of `texts`; returns the model itself."""
        vocabulary = [str(i) for i in range(1, self.tokenizer.vocabulary_size)]
        self.model.vocab.update(vocabulary)
        # `fit` looks each word of each n-gram up in the vocabulary; all of these
        # are in it, so the counter is fed directly.
        self.model.counts.update(
            [
                tuple(row[k - n + 1 : k + 1])
                for k in range(self.order - 1, len(row))
                for n in range(1, self.order + 1)
            ]
            for row in _with_bar(
                self._words(texts), progress, f"{self.order}-grams, counting"
            )
        )
        self.model.counts.update([[(token,) for token in vocabulary]])
        return self

    def perplexity(self, texts, progress=False):
        """Perplexity over all tokens of `texts`, as `perplexity` counts it."""
        loss, tokens, past = 0.0, 0, self.order - 1
        known = {}  # The same words follow each other again and again.
        for row in _with_bar(
            self._words(texts), progress, f"{self.order}-grams, predicting"
        ):
            for k in range(past, len(row)):
                seen = (*row[k - past : k], row[k])
                if seen not in known:
                    known[seen] = math.log(self.model.score(row[k], seen[:-1]))
                loss -= known[seen]
            tokens += len(row) - past
        return math.exp(loss / tokens)

    def sample(self, count, seed=0, max_new_tokens=40):
        """Draws texts.

        Args:
            count: How many.
            seed: An int.
            max_new_tokens: Longest text in tokens.

        Returns:
            A list of strings.
        """
        rng, end = np.random.default_rng(seed), str(self.tokenizer.end_id)
        vocabulary = [str(i) for i in range(1, self.tokenizer.vocabulary_size)]
        rows = []
        for _ in range(count):
            row = ["<s>"] * (self.order - 1)
            while len(row) - self.order + 1 < max_new_tokens:
                context = tuple(row[len(row) - self.order + 1 :])
                p = np.array([self.model.score(w, context) for w in vocabulary])
                row.append(vocabulary[rng.choice(len(p), p=p / p.sum())])
                if row[-1] == end:
                    break
            rows.append([int(w) for w in row[self.order - 1 :] if w != end])
        return self.tokenizer.decode(rows)


def _with_bar(items, show, label):
    if not show:
        return items
    from tqdm import tqdm

    return tqdm(items, desc=label, unit="text", leave=False, mininterval=0.5)
