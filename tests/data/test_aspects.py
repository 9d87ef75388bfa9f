import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.data import Rating, aspect_names, gather_aspects
from rmkeras.data.aspects import check_aspects
from rmkeras.errors import RmkerasError

ROWS = [
    Rating("a", 1.0, aspect="true", rater="Ada", source="x", id="1"),
    Rating("b", 2.0, aspect="true"),
    Rating("a", 4.0, aspect="fluent"),
    Rating("a", 2.0, aspect="true", rater="Bo"),
    Rating("a", 9.0, aspect="true", prompt="What?"),
    Rating("b", -1.0),
]


def test_rows_about_one_text_become_one():
    a, b, asked = gather_aspects(ROWS)
    assert aspect_names(ROWS) == ("fluent", "overall", "true")
    assert a.ratings == {"true": [1.0, 2.0], "fluent": [4.0]} and a.id == "1"
    assert b.ratings == {"true": [2.0], "overall": [-1.0]}
    assert asked.prompt == "What?" and asked.ratings == {"true": [9.0]}
    row = a.row(("overall", "true", "fluent"))
    np.testing.assert_array_equal(row, np.array([np.nan, 1.5, 4.0], "float32"))


def test_single_peoples_ratings_count_as_those():
    [text] = gather_aspects([Rating("a", 2.0, aspect="x", ratings=(1, 3))])
    assert text.ratings == {"x": [1.0, 3.0]}


def test_texts_without_a_chosen_aspect_are_left_out():
    assert [t.text for t in gather_aspects(ROWS, ("fluent",))] == ["a"]


def test_a_stream_gathers_rows_that_follow_each_other():
    read = gather_aspects(lambda: iter(ROWS), ("true", "fluent"))
    found = [(t.text, t.ratings) for t in read()]
    assert found == [
        ("a", {"true": [1.0]}),
        ("b", {"true": [2.0]}),
        ("a", {"fluent": [4.0], "true": [2.0]}),
        ("a", {"true": [9.0]}),
    ]
    assert len(list(read())) == 4


def test_an_aspect_that_the_model_does_not_judge_is_named():
    with pytest.raises(RmkerasError, match="ratings of 'creative', 'overall'; the mod"):
        check_aspects(("true",), ("overall", "creative", "true"))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from(["x", "y", None]), st.integers(-4, 4)
        ),
        max_size=30,
    )
)
def test_no_rating_is_lost(rows):
    records = [Rating(t, float(r), aspect=a) for t, a, r in rows]
    for found in (gather_aspects(records), gather_aspects(lambda: iter(records))()):
        flat = [
            (t.text, name, r) for t in found for name, v in t.ratings.items() for r in v
        ]
        given_ = [(t, a or "overall", float(r)) for t, a, r in rows]
        assert sorted(flat) == sorted(given_)
