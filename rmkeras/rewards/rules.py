"""Rewards that follow a rule: length, format, forbidden words, repetition, ease."""

from __future__ import annotations

import re

from rmkeras.rewards.base import Reward

WORD = re.compile(r"\w+(?:['’]\w+)*")


def _words(text):
    return WORD.findall(text.lower())


class LengthReward(Reward):
    """Wants a number of words: r = −|n − target| / target, at least −1.

    Args:
        target: Number of words that gets the highest reward, 0.

    Example:

    >>> from rmkeras.rewards import LengthReward
    >>> LengthReward(4)(["one two three four", "one two", ""]).tolist()
    [0.0, -0.5, -1.0]
    """

    name = "length"
    options = ("target",)

    def __init__(self, target):
        if target < 1:
            raise ValueError(f"target is {target}; expected a word or more")
        self.target = target

    def score(self, texts):
        """Counts words."""
        return [
            max(-1.0, -abs(len(_words(t)) - self.target) / self.target) for t in texts
        ]


class FormatReward(Reward):
    """1 for a text that a pattern describes as a whole, 0 for any other.

    Args:
        pattern: A regular expression; the text without spaces at its ends has to
            match it completely.

    Example:

    >>> from rmkeras.rewards import FormatReward
    >>> FormatReward("[a-z ]+[.!?]")(["it works.", "it works"]).tolist()
    [1.0, 0.0]
    """

    name = "format"
    options = ("pattern",)

    def __init__(self, pattern):
        self.pattern = re.compile(pattern, re.DOTALL)

    def score(self, texts):
        """Matches."""
        return [float(bool(self.pattern.fullmatch(t.strip()))) for t in texts]


class ForbiddenWords(Reward):
    """−1 for each forbidden word in a text, whatever its case.

    Whole words count: "ass" does not occur in "class".

    Args:
        words: Strings.

    Example:

    >>> from rmkeras.rewards import ForbiddenWords
    >>> ForbiddenWords(["bad"])(["Bad, bad film", "a badge"]).tolist()
    [-2.0, 0.0]
    """

    name = "forbidden words"
    options = ("pattern",)

    def __init__(self, words):
        words = [words] if isinstance(words, str) else list(words)
        if not any(words):
            raise ValueError("there are no forbidden words; give one or more")
        each = sorted((re.escape(w) for w in words if w), key=len, reverse=True)
        # Not \b: a forbidden word may begin or end with a sign.
        self.pattern = re.compile(rf"(?<!\w)(?:{'|'.join(each)})(?!\w)", re.IGNORECASE)

    def score(self, texts):
        """Counts."""
        return [0.0 - len(self.pattern.findall(t)) for t in texts]


class RepetitionPenalty(Reward):
    """Minus the share of a text's n-grams that occurred before in it.

    r = distinct-n − 1, from −1 to 0; 0 if the text has no n words.

    Args:
        n: Length of an n-gram in words.

    Example:

    >>> from rmkeras.rewards import RepetitionPenalty
    >>> RepetitionPenalty(1)(["so good", "so so so so"]).tolist()
    [0.0, -0.75]
    """

    name = "repetition"
    options = ("n",)

    def __init__(self, n=2):
        if n < 1:
            raise ValueError(f"n is {n}; expected a word or more")
        self.n = n

    def score(self, texts):
        """Counts n-grams."""
        scores = []
        for text in texts:
            words = _words(text)
            grams = list(zip(*(words[i:] for i in range(self.n)), strict=False))
            scores.append(len(set(grams)) / len(grams) - 1 if grams else 0.0)
        return scores


class ReadabilityReward(Reward):
    """Flesch's reading ease, divided by 100: about 1 for a child, 0 for a lawyer.

    ease = 206.835 − 1.015 · words / sentences − 84.6 · syllables / words

    It is cut off at −1 and 1.5, and 0 for a text without words. Syllables are
    counted by NLTK's sonority rule, which is right for most English words.

    Example:

    >>> from rmkeras.rewards import ReadabilityReward
    >>> easy, hard = ReadabilityReward()(
    ...     ["The cat sat on the mat.", "Institutional considerations predominate."])
    >>> bool(easy > 1 > 0 > hard)
    True

    Source: Flesch (1948), "A New Readability Yardstick".
    """

    name = "readability"

    def __init__(self):
        from nltk.tokenize import SyllableTokenizer

        self._syllables = SyllableTokenizer()
        self._count = {}

    def _syllables_of(self, word):
        if word not in self._count:
            # NLTK warns about characters that it does not know, such as digits.
            letters = re.sub(r"[^a-z]", "", word)
            parts = self._syllables.tokenize(letters) if letters else [""]
            # The e at the end of "come" makes no syllable of its own.
            silent = len(parts) > 1 and re.search(r"[^aeiouyl]e$", letters)
            self._count[word] = max(1, len(parts) - bool(silent))
        return self._count[word]

    def score(self, texts):
        """Applies the formula."""
        scores = []
        for text in texts:
            words = _words(text)
            if not words:
                scores.append(0.0)
                continue
            ends = re.findall(r"[.!?]+(?:\s|$)", text)
            syllables = sum(map(self._syllables_of, words))
            ease = 206.835 - 1.015 * len(words) / max(1, len(ends))
            ease -= 84.6 * syllables / len(words)
            scores.append(min(1.5, max(-1.0, ease / 100)))
        return scores
