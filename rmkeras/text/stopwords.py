"""Stop words and word tokenisers from NLTK, with a default that needs no data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rmkeras.errors import RmkerasError

NEGATIONS = (
    *("no", "nor", "not", "never", "none", "nobody", "nothing", "nowhere", "noone"),
    *("neither", "without", "cannot", "cant", "couldnt", "hasnt", "ain", "ain't"),
    *("aren", "aren't", "can't", "couldn", "couldn't", "didn", "didn't", "doesn"),
    *("doesn't", "don", "don't", "hadn", "hadn't", "hasn", "hasn't", "haven"),
    *("haven't", "isn", "isn't", "mightn", "mightn't", "mustn", "mustn't", "needn"),
    *("needn't", "shan", "shan't", "shouldn", "shouldn't", "wasn", "wasn't"),
    *("weren", "weren't", "won", "won't", "wouldn", "wouldn't"),
)
"""Words that turn a judgement round; kept in the text unless asked otherwise."""

_SOURCES = ("auto", "nltk", "scikit-learn")


class StopWords(NamedTuple):
    """A stop-word list and where it comes from.

    Attributes:
        words: The words, in lower case.
        source: `"nltk"` or `"scikit-learn"`.
        note: Why it is this source, in one sentence.

    Example:

    >>> from rmkeras.text import stop_words
    >>> stop_words(source="scikit-learn").note != ""
    True
    """

    words: frozenset[str]
    source: str
    note: str


def stop_words(
    language: str = "english",
    source: str = "auto",
    keep: Sequence[str] | None = None,
) -> StopWords:
    """Returns a stop-word list and says which one it is.

    NLTK's list is used when its data are installed (a folder named in the
    environment variable `NLTK_DATA` or one of NLTK's own places, zipped or not).
    Otherwise the list is scikit-learn's `ENGLISH_STOP_WORDS`, which is part of a
    dependency and always there. Nothing is downloaded.

    Args:
        language: A language of NLTK's corpus. scikit-learn's list is English.
        source: `"auto"`, `"nltk"` or `"scikit-learn"`. Name one to get the same
            words on every machine.
        keep: Words to take out of the list, so that they stay in the text;
            `NEGATIONS` by default. Removing `not` from `not good` turns a
            complaint into praise, which ruins ratings; pass `()` for the list as
            published.

    Returns:
        A `StopWords`.

    Raises:
        RmkerasError: If the source or the language is not there.

    Example:

    >>> found = stop_words(source="scikit-learn")
    >>> "the" in found.words, "not" in found.words, found.source
    (True, False, 'scikit-learn')
    >>> len(stop_words(source="scikit-learn", keep=()).words)
    318
    """
    if source not in _SOURCES:
        raise RmkerasError(
            f"the source of stop words is {source!r}; expected one of "
            f"{', '.join(_SOURCES)}"
        )
    keep = frozenset(w.lower() for w in (NEGATIONS if keep is None else keep))
    if source != "scikit-learn":
        try:
            words = _nltk_words(language)
            return StopWords(words - keep, "nltk", "NLTK's stop words are installed.")
        except LookupError as error:
            if source == "nltk" or language != "english":
                raise RmkerasError(
                    f"NLTK's stop words for {language!r} cannot be read; put its "
                    "stopwords.zip into a folder named corpora and set NLTK_DATA to "
                    "the folder above it, or use the English list with "
                    "source='scikit-learn'"
                ) from error
    elif language != "english":
        raise RmkerasError(
            f"scikit-learn has English stop words only, not {language!r}; use "
            "source='nltk'"
        )
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    note = "NLTK's stop words are not installed; this is scikit-learn's list."
    if source == "scikit-learn":
        note = "scikit-learn's list, as asked."
    return StopWords(ENGLISH_STOP_WORDS - keep, "scikit-learn", note)


def _nltk_words(language: str) -> frozenset[str]:
    from nltk.corpus import stopwords

    try:
        return frozenset(stopwords.words(language))
    except OSError as error:
        # The corpus is there, the language is not.
        raise RmkerasError(
            f"NLTK has no stop words for {language!r}; it has those for "
            f"{', '.join(stopwords.fileids())}"
        ) from error


def word_tokenize(text: str, kind: str = "words") -> list[str]:
    """Splits text into words with one of NLTK's tokenisers that need no data.

    For models use `rmkeras.text.SubwordTokenizer`; this is for counting words, for
    lexicons and for looking at text.

    Args:
        text: Any string.
        kind: `"words"` for `NLTKWordTokenizer` (the Penn Treebank's rules: `don't`
            is `do`, `n't`) or `"tweets"` for `TweetTokenizer` (keeps `:)`,
            `#tags`, `@names` and `don't` whole).

    Returns:
        The words and punctuation marks, in order.

    Raises:
        RmkerasError: If `kind` is neither.

    Example:

    >>> word_tokenize("I don't mind :)")
    ['I', 'do', "n't", 'mind', ':', ')']
    >>> word_tokenize("I don't mind :)", kind="tweets")
    ['I', "don't", 'mind', ':)']
    """
    if kind == "words":
        from nltk.tokenize import NLTKWordTokenizer

        return NLTKWordTokenizer().tokenize(text)
    if kind == "tweets":
        from nltk.tokenize import TweetTokenizer

        return TweetTokenizer().tokenize(text)
    raise RmkerasError(f"kind is {kind!r}; expected 'words' or 'tweets'")
