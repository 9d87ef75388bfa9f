import json

import numpy as np
import pytest

from rmkeras.errors import RmkerasError
from rmkeras.rewards import (
    FunctionReward,
    HumanReward,
    LearnedReward,
    WeightedSum,
    named_reward,
)


def numbers(texts):
    return [float(t) for t in texts]


def len_of(texts):
    return [float(len(t)) for t in texts]


def tens(texts):
    return [10 * float(t) for t in texts]


BATCHES = [list(map(str, np.random.default_rng(i).normal(i, 1, 8))) for i in range(6)]


def test_a_sum_is_a_sum():
    reward = WeightedSum([FunctionReward(numbers), FunctionReward(tens)], [2, -1])
    np.testing.assert_allclose(reward(["1", "3"]), [-8, -24])
    assert reward.name == "numbers + tens"


def test_scaled_rewards_count_alike_whatever_their_unit():
    a, b = (
        WeightedSum(
            [FunctionReward(f), FunctionReward(lambda t: [0] * len(t))], None, w
        )
        for f, w in ((numbers, "scale"), (tens, "scale"))
    )
    for batch in BATCHES:
        np.testing.assert_allclose(a(batch), b(batch), rtol=1e-4)


def test_the_reward_that_lags_gains_weight_and_the_sum_of_weights_stays():
    still = FunctionReward(lambda texts: [len(t) % 3 for t in texts], "still")
    reward = WeightedSum([FunctionReward(numbers, "rising"), still], adapt="lagging")
    for batch in BATCHES:
        reward(batch)
    assert reward.weights[1] > reward.weights[0]
    assert reward.weights.sum() == pytest.approx(2)


def test_state_survives_json_and_resumes_exactly():
    def new():
        return WeightedSum(
            [FunctionReward(numbers), FunctionReward(tens)], adapt="lagging"
        )

    whole, first, second = new(), new(), new()
    for batch in BATCHES[:3]:
        whole(batch), first(batch)
    second.load_state(json.loads(json.dumps(first.state())))
    for batch in BATCHES[3:]:
        np.testing.assert_array_equal(whole(batch), second(batch))


def test_prompts_and_references_reach_who_asks_for_them():
    mine = FunctionReward(lambda texts, prompts: [len(p) for p in prompts], "mine")
    both = WeightedSum([mine, FunctionReward(numbers)])
    assert both.needs == ("prompts",)
    assert both(["1", "2"], ["a", "abc"]).tolist() == [2, 5]
    with pytest.raises(RmkerasError, match="mine needs prompts"):
        mine(["1"])


class Asked:
    def __init__(self, rating=3.0):
        self.texts, self.rating = [], rating

    def __call__(self, texts, prompts):
        self.texts += texts
        return [self.rating] * len(texts)


def test_people_are_asked_a_few_once_each(tmp_path):
    ask = Asked()
    log = tmp_path / "log.jsonl"
    reward = HumanReward(ask, FunctionReward(numbers), per_batch=2, log=log)
    scores = reward(["0", "0", "1", "2", "5"])
    assert len(ask.texts) == 2 == len(set(ask.texts))
    assert (scores == 3).sum() >= 2
    for _ in range(3):
        reward(["0", "0", "1", "2", "5"])
    assert sorted(ask.texts) == ["0", "1", "2", "5"]
    # What was said is on the disk, as records that training reads.
    again = HumanReward(Asked(), FunctionReward(numbers), log=log)
    assert again(["5", "7"]).tolist() == [3, 3] and again.ask.texts == ["7"]
    from rmkeras.data import read_ratings

    assert sorted(r.text for r in read_ratings(log)) == ["0", "1", "2", "5", "7"]


def test_people_see_prompts_that_the_fallback_does_not_read(tmp_path):
    shown, log = [], tmp_path / "ratings.jsonl"

    def ask(texts, prompts):
        shown.extend(zip(prompts, texts, strict=True))
        return [4.0] * len(texts)

    people = HumanReward(ask, FunctionReward(lambda t: [0.0] * len(t)), 1, log)
    total = WeightedSum([people, FunctionReward(len_of)])
    for reward in (people, total):
        assert reward.needs == ()
        reward(["yes"], prompts=["Is fire hot?"])
        reward(["yes"], prompts=["Should I drink bleach?"])
    assert shown == [("Is fire hot?", "yes"), ("Should I drink bleach?", "yes")]
    assert [json.loads(x)["prompt"] for x in log.read_text().splitlines()] == [
        p for p, _ in shown
    ]
    assert people(["yes"]).tolist() == [4.0] and shown[-1] == ("", "yes")


def test_what_the_fallback_has_learned_is_resumed_and_a_look_changes_nothing():
    def new():
        parts = [FunctionReward(numbers), FunctionReward(tens)]
        asked = Asked()
        people = HumanReward(asked, WeightedSum(parts, adapt="lagging"), 1)
        return WeightedSum([people, FunctionReward(numbers)], adapt="scale"), asked

    (whole, asked), (first, _), (second, other) = new(), new(), new()
    for batch in BATCHES[:3]:
        whole(batch), first(batch)
    state = json.loads(json.dumps(first.state()))
    second.load_state(state)
    with second.at_rest() as resting:
        looked = [resting(BATCHES[5]) for _ in range(2)]
    np.testing.assert_array_equal(*looked)
    assert json.loads(json.dumps(second.state())) == state and not other.texts
    for batch in BATCHES[3:]:
        np.testing.assert_array_equal(whole(batch), second(batch))
    assert asked.texts[3:] == other.texts
    # A run that was saved without the fallback's state goes on as it did.
    del state["parts"][0]["fallback"]
    second.load_state(state)


def test_a_rating_of_a_text_with_unusual_line_ends_is_read_again(tmp_path):
    log = tmp_path / "ratings.jsonl"
    texts = ["so\u2028good", "so\u2029good", "so\x85good"]
    zero = FunctionReward(lambda texts: [0.0] * len(texts))
    HumanReward(Asked(), zero, 3, log)(texts)
    again = HumanReward(Asked(), zero, 3, log)
    assert again(texts).tolist() == [3.0] * 3 and not again.ask.texts
    log.write_text("", "utf8")
    assert HumanReward(Asked(), zero, 3, log).answers == {}


def test_a_skipped_text_is_scored_by_the_fallback_and_asked_again():
    ask = Asked(None)
    reward = HumanReward(ask, FunctionReward(numbers), per_batch=1)
    assert reward(["4"]).tolist() == [4] == reward(["4"]).tolist()
    assert ask.texts == ["4", "4"]


def test_the_least_certain_texts_are_asked_about():
    class Model:
        task = "regression"

        def score(self, texts, prompts=None):
            return np.zeros(len(texts))

        def uncertainty(self, texts, prompts=None):
            return np.array([float(t) for t in texts])

    ask = Asked()
    HumanReward(ask, LearnedReward(Model()), per_batch=2)(["1", "9", "3", "8"])
    assert sorted(ask.texts) == ["8", "9"]


def test_a_broken_log_is_named(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"text": "a", "rating": 1}\nnonsense\n', "utf8")
    with pytest.raises(RmkerasError, match="line 2"):
        HumanReward(Asked(), FunctionReward(numbers), log=log)


def test_a_classifier_gives_its_logit_inside_and_outside_of_the_graph():
    import tensorflow as tf

    from rmkeras.models import lstm_reward_model
    from rmkeras.text import SubwordTokenizer, pad

    tokenizer = SubwordTokenizer.train(["good film"] * 9, 262)
    model = lstm_reward_model(tokenizer, dim=8, units=4, task="classification")
    reward = LearnedReward(model)
    ids = tf.constant(pad(model.encode(["good film", "film"]), 8))
    outside = reward(["good film", "film"])
    np.testing.assert_allclose(reward.score_ids(ids, tokenizer), outside, atol=1e-4)
    normal = reward.normalized(["good film", "film", "good"])
    scores = normal(["good film", "film", "good"])
    assert scores.mean() == pytest.approx(0, abs=1e-4)
    assert scores.std() == pytest.approx(1, abs=1e-3)


def test_named_rewards(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def shout(texts):\n    return [t.count('!') for t in texts]\n")
    reward = named_reward(["0.5*length:2", f"3*{file}:shout"])
    assert reward(["wow wow!"]).tolist() == [3.0]
    for name, message in [
        ("lenght", "no reward 'lenght'"),
        ("length:x", "--reward length:x"),
        (f"{file}:whisper", "no function whisper"),
        (str(tmp_path), "model.keras"),
        ("nowhere.py:f", "no file"),
    ]:
        with pytest.raises(RmkerasError, match=message):
            named_reward(name)
