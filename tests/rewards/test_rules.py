import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmkeras.rewards import (
    ForbiddenWords,
    FormatReward,
    LengthReward,
    ReadabilityReward,
    RepetitionPenalty,
)

TEXTS = st.lists(st.text(max_size=60), max_size=5)
RULES = [
    LengthReward(5),
    FormatReward(r".*\d"),
    ForbiddenWords(["bad", "c++"]),
    RepetitionPenalty(2),
    ReadabilityReward(),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
@given(texts=TEXTS)
def test_any_text_has_a_finite_score_of_its_own(rule, texts):
    found = rule(texts)  # checks shape and finiteness
    for text, score in zip(texts, found, strict=True):
        assert rule([text])[0] == score


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=12))
def test_repetition_is_the_loop(words):
    seen, repeated = set(), 0
    for pair in itertools.pairwise(words):
        repeated += pair in seen
        seen.add(pair)
    expected = -repeated / (len(words) - 1)
    assert math.isclose(
        RepetitionPenalty(2)([" ".join(words)])[0], expected, abs_tol=1e-6
    )


def test_forbidden_words_are_whole_words():
    rule = ForbiddenWords(["ass", "c++", "not good"])
    texts = ["class", "ASS!", "i like c++.", "not good", "ass-ass"]
    assert rule(texts).tolist() == [0, -1, -1, -1, -2]


def test_flesch_on_a_text_whose_syllables_are_counted_by_hand():
    # 6 words, 1 sentence, 6 syllables: 206.835 - 1.015 * 6 - 84.6 = 116.145
    assert ReadabilityReward()(["The cat sat on the mat."])[0] == pytest.approx(1.16145)
    # 4 words, 2 sentences, 7 syllables (hap-py peo-ple o-pen doors)
    expected = (206.835 - 1.015 * 2 - 84.6 * 7 / 4) / 100
    found = ReadabilityReward()(["Happy people. Open doors."])[0]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LengthReward(0),
        lambda: RepetitionPenalty(0),
        lambda: ForbiddenWords([]),
        lambda: ForbiddenWords([""]),
    ],
)
def test_what_makes_no_sense_is_refused(make):
    with pytest.raises(ValueError):
        make()
