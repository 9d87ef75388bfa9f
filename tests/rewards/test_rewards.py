import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from rmkeras.errors import RmkerasError
from rmkeras.models import (
    RewardEnsemble,
    lstm_reward_model,
    transformer_reward_model,
)
from rmkeras.rewards import FunctionReward, LearnedReward, named_reward
from rmkeras.rewards.learned import as_encoded
from rmkeras.text import SubwordTokenizer, pad


@pytest.fixture(scope="module")
def tokenizer():
    return SubwordTokenizer.train(["a good film", "a bad film"] * 5, 300)


def test_function_reward_scores():
    assert FunctionReward(lambda t: [len(x) for x in t])(["ab", ""]).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda t: [1.0], "expected one score a text"),
        (lambda t: [0.0, float("nan")], "returned nan for 'second'"),
        (lambda t: 1 / 0, "ZeroDivisionError"),
        (lambda t: [1 / (x != "second") for x in t], "'second', text 2 of 2"),
        (lambda t: [1 / (len(t) < 2)] * len(t), "none of them alone"),
        (lambda t: [1 if x == "first" else "much" for x in t], "'second', text 2 of 2"),
    ],
)
def test_a_bad_reward_is_named_with_the_text(function, message):
    with pytest.raises(RmkerasError, match=message):
        FunctionReward(function, "mine")(["first", "second"])


def test_in_the_graph_and_on_strings_alike(tokenizer):
    model = lstm_reward_model(tokenizer, dim=8, units=4)
    texts = ["a good film", "bad"]
    ids = tf.constant(pad(model.encode(texts), 12))
    learned = LearnedReward(model)
    other = LearnedReward(lstm_reward_model(SubwordTokenizer.train(texts * 3, 262)))
    for reward in (learned, other, FunctionReward(lambda t: [len(x) for x in t])):
        graph = tf.function(lambda i, r=reward: r.score_ids(i, tokenizer))
        np.testing.assert_allclose(graph(ids), reward(texts), atol=1e-5)


@pytest.mark.parametrize("cut", ["end", "beginning"])
@pytest.mark.parametrize("lengths", [(8,), (64,), (8, 8), (8, 6)])
def test_what_is_long_or_never_ended_is_scored_as_its_text(tokenizer, lengths, cut):
    shape = {"dim": 8, "num_layers": 1, "num_heads": 2, "cut": cut}
    members = [
        transformer_reward_model(tokenizer, max_length=n, **shape) for n in lengths
    ]
    model = members[0] if len(members) == 1 else RewardEnsemble(members)
    reward = LearnedReward(model)
    assert reward.in_graph(tokenizer) == (lengths != (8, 6))
    texts = ["a good film", "bad film a " * 5 + "good", "bad", ""]
    whole = [tokenizer.encode(texts, end=end) for end in (True, False)]
    assert len(whole[0][1]) > 9
    graph = tf.function(
        lambda ids: reward.score_ids(ids, tokenizer),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
    )
    for rows in whole:
        for width in (max(map(len, rows)), 30):
            ids = tf.constant(pad(rows, width))
            np.testing.assert_allclose(graph(ids), reward(texts), atol=1e-5)
    assert graph.experimental_get_tracing_count() == 1


def test_what_fits_and_has_ended_stays_as_it_is():
    ids = np.array([[5, 6, 1, 0, 0], [1, 0, 0, 0, 0], [5, 6, 7, 8, 1]], "int32")
    for most in (5, 9):
        found = as_encoded(ids, most, end_id=1)
        np.testing.assert_array_equal(found, ids)
    assert as_encoded(ids, 5, [9], 1)[2].numpy().tolist() == [9, 5, 6, 7, 1]
    found = as_encoded(ids, 4, [9], 1, "beginning")
    assert found.numpy().tolist() == [[9, 5, 6, 1], [9, 1, 0, 0], [9, 7, 8, 1]]
    found = as_encoded(ids, 3, [9])
    assert found.numpy().tolist() == [[9, 5, 6], [9, 1, 0], [9, 5, 6]]


def test_a_reward_says_what_it_is(tokenizer):
    def new(**how):
        keras.utils.set_random_seed(how.pop("seed", 0))
        return LearnedReward(lstm_reward_model(tokenizer, dim=8, units=4), **how)

    before = new().decides()
    assert json.loads(json.dumps(before)) == before == new(name="moved").decides()
    for other in (new(seed=1), new(scale=2.0), new(with_prompts=True)):
        assert other.decides() != before
    assert named_reward("length:5").decides() != named_reward("length:6").decides()
    assert named_reward("format:a").decides() != named_reward("format:b").decides()
