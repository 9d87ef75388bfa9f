"""What a model is unsure of is asked first, by a process beside the server."""

import numpy as np
import pytest

from rmkeras.errors import RmkerasError
from rmkeras.feedback import Item, Store, unsure


class Lengths:
    def score(self, texts, prompts=None):
        return np.array([float(len(t)) for t in texts])


class Crowd(Lengths):
    """Members that agree on short texts and differ on long ones."""

    def score_members(self, texts, prompts=None):
        lengths = self.score(texts)
        return np.stack([lengths * k for k in (-1.0, 0.5, 1.0)])

    def uncertainty(self, texts, prompts=None):
        return self.score_members(texts).std(axis=0)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db", seed=0) as store:
        yield store


def order(store):
    ada, seen = store.rater("Ada"), []
    while asked := store.next_item(ada):
        seen.append(asked.item.id)
        store.answer(f"answer-{asked.item.id}", ada, asked.item.id, {"skip": True})
    return seen


def test_the_smallest_margin_goes_first(store):
    texts = [("a", "bbbbbb"), ("c", "dd"), ("e", "ffff"), ("g", "hhhhhhhhh")]
    store.add_items(Item("compare", pair) for pair in texts)
    store.set_priorities(unsure.priorities(Lengths(), store.items()))
    assert order(store) == [2, 3, 1, 4]


def test_a_ranking_counts_as_its_closest_pair(store):
    store.add_items(
        [
            Item("rank", ("a", "bbbb", "c" * 20)),
            Item("rank", ("d", "e" * 40, "f" * 41)),
            Item("rank", ("g", "h" * 10, "i" * 30)),
        ]
    )
    store.set_priorities(unsure.priorities(Lengths(), store.items()))
    assert order(store) == [2, 1, 3]


def test_an_ensemble_orders_texts_to_rate_and_one_model_does_not(store):
    store.add_items(Item("rate", ("x" * n,)) for n in (3, 9, 6))
    assert unsure.priorities(Lengths(), store.items()) == {}
    store.set_priorities(unsure.priorities(Crowd(), store.items()))
    assert order(store) == [2, 3, 1]


def test_a_new_model_and_new_items_change_the_order(store, tmp_path, monkeypatch):
    monkeypatch.setattr(unsure, "PAUSE", 0.0)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.keras").write_text("1")
    store.add_items([Item("compare", ("a", "bbbb")), Item("compare", ("c", "dd"))])
    loaded, said, looks = [], [], []

    def load(path):
        loaded.append(path)
        if len(loaded) == 2:
            raise RmkerasError("half written")
        return Lengths()

    def go_on():
        looks.append(1)
        if len(looks) == 3:
            store.add_items([Item("compare", ("e", "f"))])
        if len(looks) == 5:
            import os

            os.utime(folder / "model.keras", (1e9, 2e9))
        return len(looks) < 8

    unsure.keep_scoring(store, folder, load, go_on, said.append)
    assert len(loaded) == 3 and "half written" in " ".join(said)
    assert order(store) == [3, 2, 1]


def test_a_missing_model_is_said_before_the_page_starts(tmp_path):
    with (
        pytest.raises(RmkerasError, match="no such folder"),
        unsure.background(tmp_path / "s.db", tmp_path / "none", print),
    ):
        pass
