import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.translate.bleu_score import sentence_bleu

from rmkeras.errors import RmkerasError
from rmkeras.rewards import BleuReward, ChrfReward, ExactMatch, RougeReward

WORDS = st.lists(st.sampled_from(["cat", "dog", "sat", "ran"]), min_size=4, max_size=9)


@given(WORDS, WORDS)
def test_bleu_is_nltks_where_no_smoothing_is_needed(a, b):
    from collections import Counter

    def grams(words, n):
        return Counter(zip(*(words[i:] for i in range(n)), strict=False))

    if not all(grams(a, n) & grams(b, n) for n in range(1, 5)):
        return
    found = BleuReward()([" ".join(a)], references=[" ".join(b)])[0]
    assert found == pytest.approx(sentence_bleu([b], a), abs=1e-5)


@given(WORDS, WORDS)
def test_rouge_l_is_the_longest_common_subsequence(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            longest = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else longest
    common = table[-1][-1]
    p, r = common / len(a), common / len(b)
    expected = 2 * p * r / (p + r) if common else 0.0
    found = RougeReward()([" ".join(a)], references=[" ".join(b)])[0]
    assert found == pytest.approx(expected, abs=1e-6)


@given(st.text("abc", min_size=6, max_size=12), st.text("abc", min_size=6, max_size=12))
def test_chrf_is_popovics_formula(a, b):
    from collections import Counter

    precisions, recalls = [], []
    for n in range(1, 7):
        grams = [Counter(s[i : i + n] for i in range(len(s) - n + 1)) for s in (a, b)]
        both = sum((grams[0] & grams[1]).values())
        precisions.append(both / sum(grams[0].values()))
        recalls.append(both / sum(grams[1].values()))
    p, r = sum(precisions) / 6, sum(recalls) / 6
    expected = 5 * p * r / (4 * p + r) if p + r else 0.0
    found = ChrfReward()([a], references=[b])[0]
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "reward", [BleuReward(), RougeReward(), ChrfReward(), ExactMatch()]
)
def test_the_same_text_is_perfect_and_an_empty_one_worth_nothing(reward):
    text = "the cat sat on the mat"
    assert reward([text, ""], references=[text, text]).tolist() == pytest.approx(
        [1.0, 0.0]
    )
    with pytest.raises(RmkerasError, match="needs references"):
        reward([text])
    assert not math.isnan(reward([""], references=[""])[0])
