from types import SimpleNamespace

import numpy as np
import pytest

from rmkeras._cli_train import SCRATCH
from rmkeras.cli import main
from rmkeras.data import Preference
from rmkeras.errors import RmkerasError
from rmkeras.models import (
    RewardModel,
    average_weights,
    load_model,
    lstm_reward_model,
    pretrained_reward_model,
)
from rmkeras.models.aspect_training import train_aspect_model
from rmkeras.models.preference_training import train_preference_model
from rmkeras.models.reward_training import BUILDERS, train_reward_model
from rmkeras.models.training import generator_states
from rmkeras.text import SubwordTokenizer
from tests.models.tiny_bert import hugging_face_bert

TEXTS = ["a good film", "bad", "the bad film !", ""]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    hugging_face_bert(folder, layers=1)
    return str(folder)


def ratings(n=32):
    pairs = [
        ("a good film", 2.0),
        ("the bad film", -2.0),
        ("good !", 1.0),
        ("bad", -1.0),
    ]
    return [
        SimpleNamespace(text=t, rating=r, ratings=(), prompt=None, aspect=None)
        for t, r in pairs * (n // 4)
    ]


def fit(bert, seed, rate=1e-2, initial_seed=5, **options):
    return train_reward_model(
        ratings(),
        model=bert,
        loss="mse",
        epochs=2,
        batch_size=8,
        learning_rate=rate,
        seed=seed,
        initial_seed=initial_seed,
        progress=False,
        **options,
    )[0]


def test_the_mean_is_taken_weight_by_weight_and_saved(bert, tmp_path):
    models = [fit(bert, seed) for seed in range(3)]
    before = [[w.copy() for w in m.get_weights()] for m in models]
    mean = average_weights(models)
    for got, *each in zip(mean.get_weights(), *before, strict=True):
        np.testing.assert_allclose(got, np.mean(each, axis=0), atol=1e-7)
    for model, weights in zip(models, before, strict=True):
        for now, then in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(now, then)
    mean.save(tmp_path / "model.keras")
    again = load_model(tmp_path, RewardModel)
    np.testing.assert_array_equal(again.score(TEXTS), mean.score(TEXTS))


def test_members_of_one_beginning_agree_with_their_mean(bert):
    """To first order in what was learned, the mean of weights scores like an ensemble."""
    models = [fit(bert, seed, rate=2e-3) for seed in range(3)]
    each = np.stack([m.score(TEXTS) for m in models])
    fresh = fit(bert, 0, rate=1e-12).score(TEXTS)
    moved = np.abs(each - fresh).max()
    assert moved > 0.1
    error = np.abs(average_weights(models).score(TEXTS) - each.mean(0)).max()
    assert error < 0.02 * moved


def test_a_common_beginning_and_different_ways(bert):
    a, b, other = fit(bert, 0, 1e-12), fit(bert, 1, 1e-12), fit(bert, 1, 1e-12, None)
    for ours, theirs in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    head = [m.head.kernel.numpy() for m in (a, b, other)]
    assert not np.allclose(head[1], head[2], atol=0.01)
    states = [np.stack([s.numpy() for s in generator_states(m)])[:, 0] for m in (a, b)]
    assert len(states[0]) and not np.equal(*states).any()
    trained = [fit(bert, seed).score(TEXTS) for seed in (0, 1, 1)]
    assert not np.allclose(trained[0], trained[1], atol=1e-4)
    np.testing.assert_array_equal(trained[1], trained[2])


def test_comparisons_and_aspects_begin_alike_too(bert):
    pairs = [Preference(prompt="the ", chosen="good", rejected="bad")] * 8

    def on_pairs(seed):
        return train_preference_model(
            pairs, model=bert, epochs=1, learning_rate=1e-12, seed=seed,
            initial_seed=3, progress=False,
        )[0]  # fmt: skip

    def on_aspects(seed):
        rated = [
            SimpleNamespace(
                text=t, rating=r, ratings=(), prompt=None, aspect=aspect, source=None,
                rater=None, weight=None, id=None,
            )
            for t, r in (("good", 1.0), ("bad", -1.0))
            for aspect in ("fluent", "true")
        ]  # fmt: skip
        return train_aspect_model(
            rated * 4, model=bert, epochs=1, learning_rate=1e-12, seed=seed,
            initial_seed=3, progress=False,
        )[0]  # fmt: skip

    for train in (on_pairs, on_aspects):
        mean = average_weights([train(0), train(1)])
        for got, first in zip(mean.get_weights(), train(0).get_weights(), strict=True):
            np.testing.assert_allclose(got, first, atol=1e-6)


def lstm(words="a good bad film"):
    tokenizer = SubwordTokenizer.train([words] * 3, 290)
    return lstm_reward_model(tokenizer, dim=8, units=4)


def test_what_has_no_mean_is_refused(bert):
    first = lstm()
    with pytest.raises(RmkerasError, match="a mean of 1 models"):
        average_weights([first])
    with pytest.raises(RmkerasError, match=r"models 1 and 2 differ in .*tokenizer"):
        average_weights([first, lstm("other words")])
    with pytest.raises(RmkerasError, match="did not begin from the same weights"):
        average_weights([first, lstm()])
    with pytest.raises(RmkerasError, match="did not begin"):  # The head alone is new.
        average_weights([fit(bert, seed, 1e-12, None) for seed in (0, 1)])
    shifted = [pretrained_reward_model(bert, shift=s) for s in (0.0, 1.0)]
    with pytest.raises(RmkerasError, match=r"models 1 and 2 differ in shift"):
        average_weights(shifted)
    adapted = [pretrained_reward_model(bert, lora_rank=2) for _ in range(2)]
    with pytest.raises(RmkerasError, match="low-rank"):
        average_weights(adapted)


def test_one_model_of_several_on_the_command_line(bert, tmp_path, capsys):
    data, out = tmp_path / "r.csv", str(tmp_path / "run")
    data.write_text("text,rating\n" + "good film,2\nbad film,-2\n" * 8)
    command = ["train-reward", "--data", str(data), "--epochs", "1", "--batch-size"]
    command += ["4", "--average-weights", "--out"]
    assert main([*command, out, "--model", bert, "--members", "2"]) == 0
    assert "last member's" in capsys.readouterr().err
    model = load_model(out, RewardModel)
    each = [load_model(f"{out}/member-{i}") for i in (1, 2)]
    np.testing.assert_allclose(model.score(TEXTS), average_weights(each).score(TEXTS))
    assert not np.allclose(*[m.score(TEXTS) for m in each])
    assert main(["evaluate", out, "--data", str(data), "--json"]) == 0
    again = [*command, out, "--model", bert, "--members", "2", "--resume"]
    assert main(again) == 0
    again.remove("--average-weights")
    capsys.readouterr()
    assert main(again) == 2
    assert "initial_seed was 0, is None" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "minilm"], "needs --members"),
        (["--model", "lstm", "--members", "2"], "one pretrained model"),
        (["--model", "minilm,ngrams", "--members", "2"], "one pretrained model"),
        (["--model", "minilm", "--members", "2", "--lora", "4"], "--lora"),
    ],
)
def test_what_cannot_be_averaged_is_said_before_training(
    options, message, tmp_path, capsys
):
    data, out = tmp_path / "r.csv", tmp_path / "run"
    data.write_text("text,rating\n" + "good film,2\nbad film,-2\n" * 8)
    command = ["train-reward", "--data", str(data), "--out", str(out), *options]
    assert main([*command, "--average-weights"]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_all_that_begins_with_random_weights_is_known_without_importing_it():
    assert set(SCRATCH) == set(BUILDERS)
