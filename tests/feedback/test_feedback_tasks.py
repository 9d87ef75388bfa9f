"""Items and values: what is refused, and sides that are turned and turned back."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.errors import RmkerasError
from rmkeras.feedback import Item, as_shown, check_value, from_shown
from rmkeras.feedback.tasks import LONGEST, check_item

PAIR = Item("compare", ("a", "b"))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choice", "ratings", "ranking", "text", "skip", "note", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(ANYTHING, st.sampled_from(["compare", "rate", "rank", "edit"]))
def test_a_value_is_taken_or_refused_with_words(value, task):
    texts = {"compare": ("a", "b"), "rank": ("a", "b", "c")}.get(task, ("a",))
    item = Item(task, texts)
    try:
        taken = check_value(item, value)
    except RmkerasError as error:
        assert str(error)
        str(error).encode()
    else:
        assert json.loads(json.dumps(taken)) == taken
        assert check_value(item, taken) == taken


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_a_ranking_turns_and_turns_back(shown, seen):
    item = Item("rank", tuple("abcd"))
    stored = from_shown(item, shown, {"ranking": seen})
    # The text that was seen in a place is the text that is stored.
    assert [item.texts[r] for r in stored["ranking"]] == [
        item.texts[shown[place]] for place in seen
    ]
    assert as_shown(item, shown, stored)["ranking"] == list(seen)


@given(st.permutations(range(2)), st.sampled_from(["left", "right", "tie", "bad"]))
def test_a_choice_turns_and_turns_back(shown, choice):
    stored = from_shown(PAIR, shown, {"choice": choice, "note": "n"})
    if choice in ("left", "right"):
        better = PAIR.texts[stored["choice"] == "second"]
        assert better == PAIR.texts[shown[choice == "right"]]
    assert as_shown(PAIR, shown, stored) == {"choice": choice, "note": "n"}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (Item("guess", ("a",)), "task is 'guess'"),
        (Item("compare", ("a",)), "expected 2"),
        (Item("rank", ("a", "b")), "expected 3 to 9"),
        (Item("rate", (" ",)), "empty"),
        (Item("rate", (7,)), "expected a string"),
        (Item("rate", ("a\ud800",)), "character 1"),
        (Item("rate", ("a" * (LONGEST + 1),)), "16,777,217 characters"),
        (Item("compare", ("a", "a ")), "equal"),
        (Item("compare", ("a", "b"), raters=0), "raters is 0"),
        (Item("compare", ("a", "b"), priority=float("inf")), "priority"),
        (Item("compare", ("a", "b"), gold={"choice": "left"}), "choice is 'left'"),
        (Item("compare", ("a", "b"), gold={"skip": True}), "skip"),
        (Item("rate", ("a",), gold={"ratings": {"odd": 1}}), "aspect 'odd'"),
        (Item("rate", ("a",), gold={"ratings": {"fluent": 6}}), "from 1 to 5"),
    ],
)
def test_items_that_cannot_be_asked(item, words):
    with pytest.raises(RmkerasError, match=words):
        check_item(item)


def test_a_rating_needs_every_aspect_but_gold_does_not():
    some = {"ratings": {"fluent": 3}}
    assert check_item(Item("rate", ("a",), gold=some)).gold == some
    with pytest.raises(RmkerasError, match="no rating for truthful, creative"):
        check_value(Item("rate", ("a",)), some)
    with pytest.raises(RmkerasError, match="True"):
        check_value(Item("rate", ("a",)), {"ratings": {"fluent": True}}, ("fluent",))
