"""Answers beside the answers that people wrote."""

from __future__ import annotations

import numpy as np


def answer_scores(answers, wanted):
    """Exact match and chrF of answers.

    chrF is the mean F-score (β = 3, recall counts more) of the character n-grams,
    n = 1 to 6, that answer and wanted answer share, without spaces; `nltk`
    computes it.

    Args:
        answers: Strings.
        wanted: As many strings.

    Returns:
        A dict: `exact_match`, the share of answers that are equal but for case and
        spaces at the ends, and `chrf`, from 0 to 1, the mean over answers.

    Raises:
        ValueError: If there are none, or not as many of both.

    Example:

    >>> from rmkeras.metrics import answer_scores
    >>> answer_scores(["Cold ", "up"], ["cold", "down"])
    {'exact_match': 0.5, 'chrf': 0.5}

    Source: Popović (2015), "chrF: character n-gram F-score for automatic MT
    evaluation", equation 1.
    """
    from nltk.translate.chrf_score import sentence_chrf

    if not len(answers) or len(answers) != len(wanted):
        raise ValueError(
            f"there are {len(answers)} answers and {len(wanted)} wanted ones; expected "
            "as many of both, and at least one"
        )
    pairs = [
        (a.strip().lower(), w.strip().lower())
        for a, w in zip(answers, wanted, strict=True)
    ]
    return {
        "exact_match": float(np.mean([a == w for a, w in pairs])),
        "chrf": float(np.mean([_chrf(a, w, sentence_chrf) for a, w in pairs])),
    }


def _chrf(answer, wanted, sentence_chrf):
    if not answer or not wanted:
        return float(answer == wanted)
    # No n-gram is longer than the shorter of the two, else short words score 0/0.
    longest = max(1, min(6, len(wanted.replace(" ", "")), len(answer.replace(" ", ""))))
    return sentence_chrf(wanted, answer, max_len=longest)
