"""The compare task in a notebook, its callbacks fired without a browser."""

import doctest
import importlib

import pytest

from rmkeras.errors import RmkerasError
from rmkeras.feedback import Item, Store

pytest.importorskip("ipywidgets")
from rmkeras.feedback.widget import BUTTONS, CompareWidget


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "answers.db", seed=3)
    store.add_items(
        Item("compare", (f"good {i}", f"bad {i}"), f"{i}?") for i in range(5)
    )
    return store


def html_of(page):
    return "".join(w.value for w in (page._prompt, *page._sides, page._state))


def test_clicks_are_answers_on_the_disk(store, tmp_path):
    page = CompareWidget(store, "Ada")
    seen = []
    for choice in ("left", "right", "tie", "bad", "skip"):
        seen.append((page.asked.item.id, page.asked.texts, choice))
        page.buttons[choice].click()
    assert page.asked is None
    with Store(tmp_path / "answers.db", must_exist=True) as again:
        answers = again.answers(skips=True)
    assert [a.item for a in answers] == [i for i, _, _ in seen]
    for answer, (_, texts, choice) in zip(answers, seen, strict=True):
        assert answer.rater == "Ada" and answer.seconds >= 0
        item = store.item(answer.item)
        if choice in ("left", "right"):
            # The recorded choice is the text that stood on that side.
            text = texts[("left", "right").index(choice)]
            assert item.texts[("first", "second").index(answer.value["choice"])] == text
        else:
            expected = {"skip": True} if choice == "skip" else {"choice": choice}
            assert answer.value == expected


def test_undo_brings_the_pair_back_as_it_was(store):
    page = CompareWidget(store, "Ada")
    before = page.asked.item.id, page.asked.shown
    page.buttons["left"].click()
    page.buttons["undo"].click()
    assert (page.asked.item.id, page.asked.shown) == before
    assert store.answers() == []
    page.buttons["undo"].click()
    assert "nothing to undo" in html_of(page)


def test_a_second_window_answers_first(store):
    page, other = CompareWidget(store, "Ada"), CompareWidget(store, "Ada")
    assert page.asked.item.id == other.asked.item.id
    other.buttons["left"].click()
    page.buttons["right"].click()
    assert len(store.answers()) == 1
    assert "answered item" in html_of(page)
    page.buttons["left"].click()
    assert len(store.answers()) == 2


def test_two_people_on_one_store_share_the_work(store):
    pages = [CompareWidget(store, name) for name in ("Ada", "Bob")]
    while any(page.asked for page in pages):
        for page in pages:
            page.buttons["left"].click()
    assert len(store.answers()) == 5 * min(store.plan.raters_per_item, 2)
    assert {a.rater for a in store.answers()} == {"Ada", "Bob"}
    for page in pages:
        assert all(page.buttons[choice].disabled for choice in BUTTONS)
        page.answer("left")  # does nothing
        assert "Nothing is left" in page.text()


def test_texts_are_shown_and_never_run(tmp_path):
    store = Store(tmp_path / "a.db")
    hostile = "<script>alert(1)</script> & ‮abc"
    store.add_items([Item("compare", (hostile, "你好\nשלום"), "<b>?")])
    page = CompareWidget(store, "<i>Ada</i>")
    shown = html_of(page)
    assert "<script>" not in shown and "&lt;script&gt;" in shown
    assert "<b>?" not in shown and "<i>Ada" not in shown
    assert "你好\nשלום" in shown and 'dir="auto"' in shown
    # The alternative for pages without widgets is plain text.
    data = page._repr_mimebundle_()
    data = data[0] if isinstance(data, tuple) else data
    assert hostile in data["text/plain"] and "Which is better?" in data["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_bad_arguments(store, tmp_path):
    with pytest.raises(RmkerasError, match="expected one of left, right"):
        CompareWidget(store, "Ada").answer("up")
    with pytest.raises(RmkerasError):
        CompareWidget(tmp_path / "new.db", "  ")


@pytest.mark.parametrize(
    "name",
    [
        "active", "answers", "crowd_bradley_terry", "dawid_skene", "linear", "quality",
        "rating_raters", "store_quality", "weigh", "widget",
    ],
)  # fmt: skip
def test_examples(name):
    found = doctest.testmod(importlib.import_module(f"rmkeras.feedback.{name}"))
    assert found.attempted and not found.failed
