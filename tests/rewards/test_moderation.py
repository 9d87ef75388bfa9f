import numpy as np
import pytest

from rmkeras.errors import RmkerasError
from rmkeras.models import lstm_reward_model
from rmkeras.rewards import (
    ModerationReward,
    WeightedSum,
    default_threshold,
    named_reward,
)
from rmkeras.text import SubwordTokenizer


class Model:
    """Scores a text by its number, and shows what it was asked."""

    task = "regression"

    def score(self, texts, prompts=None):
        self.asked = texts, prompts
        return np.array([float(t) for t in texts], "float32")


def test_what_is_below_the_threshold_costs_one():
    reward = ModerationReward(Model(), threshold=0.5)
    texts = ["-3", "0.4", "0.5", "2"]
    assert reward(texts).tolist() == [-1, -1, 0, 0]
    assert reward.flagged(texts).tolist() == [True, True, False, False]
    graded = ModerationReward(Model(), threshold=0.5, graded=True)
    np.testing.assert_allclose(graded(texts), [-3.5, -0.1, 0, 0], rtol=1e-5)


def test_the_threshold_is_that_of_the_models_task():
    model = Model()
    assert ModerationReward(model).threshold == 0.0 == default_threshold(model)
    model.task = "classification"
    assert ModerationReward(model).threshold == 0.5


def test_prompts_are_read_if_asked_for():
    model = Model()
    ModerationReward(model, with_prompts=True)(["1"], prompts=["say"])
    assert model.asked == (["1"], ["say"])
    with pytest.raises(RmkerasError, match="needs prompts"):
        ModerationReward(model, with_prompts=True)(["1"])


def test_it_is_added_to_what_says_how_good_a_text_is(tmp_path):
    both = WeightedSum([named_reward("length:1"), ModerationReward(Model())], [1, 5])
    assert both(["-3", "3"]).tolist() == [-5, 0]
    tokenizer = SubwordTokenizer.train(["good film"] * 9, 262)
    model = lstm_reward_model(tokenizer, dim=8, units=4)
    model.save(tmp_path / "model.keras")
    score = model.score(["good"])[0]
    for shift in (-0.1, 0.1):
        reward = named_reward(f"2*moderation:{tmp_path}:{score + shift}")
        assert reward(["good"])[0] == (-2 if shift > 0 else 0)
    assert named_reward(f"moderation:{tmp_path}").threshold == 0.0
    for name in ("moderation", "moderation:nowhere", "moderation:nowhere:0.5"):
        with pytest.raises(RmkerasError, match="moderation:DIR"):
            named_reward(name)
