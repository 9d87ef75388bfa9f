"""Rewards that compare with what a person wrote: BLEU, ROUGE, chrF, exact match."""

from __future__ import annotations

from rmkeras.rewards.base import Reward


class BleuReward(Reward):
    """Sentence BLEU against the reference, from 0 to 1, by sacreBLEU.

    BLEU = min(1, exp(1 − r / c)) · exp(Σ_n ¼ log p_n), n = 1 to 4, where c and r are
    the lengths of completion and reference and p_n the share of the completion's
    n-grams that the reference has. A single sentence often has no common 4-gram;
    exponential smoothing then keeps the product above zero.

    Args:
        lowercase: Whether case is ignored.

    Example:

    >>> from rmkeras.rewards import BleuReward
    >>> round(float(BleuReward()(["the cat sat on the mat"],
    ...                          references=["the cat sat on the mat"])[0]), 4)
    1.0

    Source: Papineni et al. (2002); Chen and Cherry (2014) for the smoothing.
    """

    name = "bleu"
    options = ("lowercase",)
    needs = ("references",)

    def __init__(self, lowercase=True):
        from sacrebleu.metrics import BLEU

        self.lowercase = lowercase
        self._bleu = BLEU(lowercase=lowercase, effective_order=True)

    def score(self, texts, references):
        """Compares."""
        return [
            self._bleu.sentence_score(text, [reference]).score / 100
            for text, reference in zip(texts, references, strict=True)
        ]


class RougeReward(Reward):
    """ROUGE F-score against the reference, from 0 to 1, by rouge-score.

    Args:
        kind: `"rougeL"` (longest common subsequence), `"rouge1"` or `"rouge2"`.

    Example:

    >>> from rmkeras.rewards import RougeReward
    >>> RougeReward()(["a good film"], references=["a good long film"]).round(3).tolist()
    [0.8569999933242798]

    Source: Lin (2004), "ROUGE: A Package for Automatic Evaluation of Summaries".
    """

    needs = ("references",)

    def __init__(self, kind="rougeL"):
        from rouge_score.rouge_scorer import RougeScorer

        self.name = self.kind = kind
        self._scorer = RougeScorer([kind], use_stemmer=True)

    def score(self, texts, references):
        """Compares."""
        return [
            self._scorer.score(reference, text)[self.kind].fmeasure
            for text, reference in zip(texts, references, strict=True)
        ]


class ChrfReward(Reward):
    """chrF against the reference, from 0 to 1, by sacreBLEU.

    The F-score (β = 2) of the character n-grams, n = 1 to 6, which credits a word
    with another ending; for translation.

    Args:
        word_order: 2 for chrF++, which counts word n-grams too.

    Example:

    >>> from rmkeras.rewards import ChrfReward
    >>> ChrfReward()(["cold"], references=["cold"]).tolist()
    [1.0]

    Source: Popović (2015).
    """

    name = "chrf"
    options = ("word_order",)
    needs = ("references",)

    def __init__(self, word_order=0):
        from sacrebleu.metrics import CHRF

        self.word_order = word_order
        self._chrf = CHRF(word_order=word_order, lowercase=True)

    def score(self, texts, references):
        """Compares."""
        return [
            self._chrf.sentence_score(text, [reference]).score / 100
            for text, reference in zip(texts, references, strict=True)
        ]


class ExactMatch(Reward):
    """1 where completion and reference are the same but for case and outer spaces.

    Example:

    >>> from rmkeras.rewards import ExactMatch
    >>> ExactMatch()(["Paris ", "Rome"], references=["paris", "Bern"]).tolist()
    [1.0, 0.0]
    """

    name = "exact match"
    needs = ("references",)

    def score(self, texts, references):
        """Compares."""
        return [
            float(text.strip().lower() == reference.strip().lower())
            for text, reference in zip(texts, references, strict=True)
        ]
