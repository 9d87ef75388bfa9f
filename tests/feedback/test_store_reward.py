"""Ratings that arrive while a policy is trained."""

import numpy as np
import pytest

from rmkeras.feedback import Store
from rmkeras.feedback.reward import SOURCE, StoreReward
from rmkeras.rewards import FunctionReward

WORDS = ("film", "story", "cast", "music", "ending", "plot", "scene", "camera")


def zero():
    return FunctionReward(lambda texts: [0.0] * len(texts), "zero")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db", seed=0) as store:
        store.set_plan(aspects=("good",), scale=(-4, 4))
        yield store


def samples(seed, count):
    rng = np.random.default_rng(seed)
    texts, moods = [], []
    for _ in range(count):
        mood = int(rng.integers(2))
        word = ("wonderful", "dreadful")[mood]
        a, b = rng.choice(WORDS, 2, replace=False)
        texts.append(f"the {word} {a} and the {b} of {rng.integers(1000)}")
        moods.append(3 - 6 * mood)
    return texts, moods


def rate_everything(store, opinion):
    ada = store.rater("Ada")
    while asked := store.next_item(ada, "rate"):
        name = f"rating-{asked.item.id}"
        value = {"ratings": {"good": opinion(asked.item.texts[0])}}
        store.answer(name, ada, asked.item.id, value)


def opinion(text):
    return 3 if "wonderful" in text else -3


def test_ratings_that_arrive_count_for_their_text_and_for_others(store):
    reward = StoreReward(store, zero(), per_batch=8, most_open=1000)
    unseen, moods = samples(99, 60)
    assert not np.any(StoreReward(store, zero(), per_batch=0)(unseen))
    for seed in range(6):
        texts, _ = samples(seed, 16)
        reward(texts)
        rate_everything(store, opinion)  # People on the page, meanwhile.
    rated = [item.texts[0] for item in store.items()]
    assert len(rated) == 48
    assert reward(rated).tolist() == [opinion(t) for t in rated]
    judge = StoreReward(store, zero(), per_batch=0)
    assert np.corrcoef(judge(unseen), moods)[0, 1] > 0.8
    still = StoreReward(store, zero(), per_batch=0, ridge=np.inf)
    assert not np.any(still(unseen))


def test_nobody_is_waited_for_and_the_queue_stays_short(store):
    reward = StoreReward(store, zero(), per_batch=8, most_open=20)
    for seed in range(10):
        assert not np.any(reward(samples(seed, 16)[0]))
    items = list(store.items())
    assert len(items) == 20 and {item.source for item in items} == {SOURCE}


def test_a_look_asks_nobody(store):
    reward = StoreReward(store, zero(), per_batch=2)
    with reward.at_rest():
        reward(["a good film"])
    assert not list(store.items())
    reward(["a good film"], prompts=["And?"])
    assert [item.prompt for item in store.items()] == ["And?"]


def test_the_newest_samples_are_asked_first(store):
    reward = StoreReward(store, zero(), per_batch=1)
    for text in ("first", "second", "third"):
        reward([text])
    assert store.next_item(store.rater("Ada")).item.texts == ("third",)


def test_a_run_that_is_resumed_finds_the_ratings(store):
    reward = StoreReward(store, zero(), per_batch=2)
    reward(["one", "two"])
    rate_everything(store, lambda text: 2)
    with Store(store.path) as again:
        assert StoreReward(again, zero())(["one", "two"]).tolist() == [2.0, 2.0]


def test_several_raters_and_prompts(store):
    store.set_plan(raters_per_item=2)
    people = FunctionReward(lambda texts, prompts: [0.0] * len(texts), "zero")
    reward = StoreReward(store, people, per_batch=1, ridge=np.inf)
    reward(["yes"], ["question?"])
    (item,) = store.items()
    assert item.prompt == "question?"
    for name, rating in (("Ada", 1), ("Bob", 4)):
        store.record(store.rater(name), item.id, {"ratings": {"good": rating}})
    assert reward(["yes", "yes"], ["question?", "other?"]).tolist() == [2.5, 0.0]
