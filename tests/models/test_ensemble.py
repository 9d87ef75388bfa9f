import numpy as np
import pytest

from rmkeras.cli import main
from rmkeras.errors import RmkerasError
from rmkeras.models import RewardEnsemble, load_model, lstm_reward_model
from rmkeras.rewards import LearnedReward
from rmkeras.text import SubwordTokenizer
from rmkeras.text.tokenizer import pad

TEXTS = ["a good film", "bad", ""]


def members(n=3, words="a good bad film"):
    tokenizer = SubwordTokenizer.train([words] * 3, 290)
    return [lstm_reward_model(tokenizer, dim=8, units=4) for _ in range(n)]


@pytest.mark.parametrize("how", ["mean", "minimum", "cautious"])
def test_what_is_made_of_the_members(how, tmp_path):
    models = members()
    each = np.stack([m.score(TEXTS) for m in models])
    expected = {
        "mean": each.mean(0),
        "minimum": each.min(0),
        "cautious": each.mean(0) - 2 * each.std(0),
    }[how]
    ensemble = RewardEnsemble(models, how, k=2.0)
    np.testing.assert_allclose(ensemble.score(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(ensemble.uncertainty(TEXTS), each.std(0), atol=1e-6)
    ids = np.array([[5, 6, 1], [7, 1, 0]])
    by_hand = np.stack([np.array(m(ids)) for m in models])
    np.testing.assert_allclose(
        np.array(ensemble(ids)),
        {"mean": by_hand.mean(0), "minimum": by_hand.min(0)}.get(
            how, by_hand.mean(0) - 2 * by_hand.std(0)
        ),
        atol=1e-6,
    )
    ensemble.save(tmp_path / "model.keras")
    again = load_model(tmp_path)
    np.testing.assert_array_equal(again.score(TEXTS), ensemble.score(TEXTS))


@pytest.mark.parametrize("how", ["mean", "minimum", "cautious"])
def test_classifiers_are_combined_as_logits_by_text_and_in_the_graph(how):
    tokenizer = SubwordTokenizer.train(["a good bad film"] * 3, 290)
    models = [
        lstm_reward_model(tokenizer, dim=8, units=4, task="classification")
        for _ in range(3)
    ]
    for model, bias in zip(models, (-4.0, -4.0, 3.0), strict=True):
        model.head.weights[-1].assign(np.full(model.head.weights[-1].shape, bias))
    ensemble = RewardEnsemble(models, how)
    each = ensemble.score_members(TEXTS)
    assert each.min() > 0 and each.max() > 0.9  # probabilities still
    logits = np.log(each) - np.log1p(-each)
    expected = {
        "mean": logits.mean(0),
        "minimum": logits.min(0),
        "cautious": logits.mean(0) - logits.std(0),
    }[how]
    p = ensemble.score(TEXTS)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-expected)), rtol=1e-4)
    assert ((p > 0) & (p < 1)).all()
    # A reward does not depend on whether a policy has the same tokeniser.
    by_text = LearnedReward(ensemble).score(TEXTS)
    ids = pad(ensemble.encode(TEXTS))
    np.testing.assert_allclose(np.array(ensemble.reward(ids)), by_text, rtol=1e-3)


def test_members_with_tokenisers_of_their_own_score_strings_only():
    mixed = RewardEnsemble([*members(1), *members(1, "other words here")])
    assert mixed.score(TEXTS).shape == (3,)
    with pytest.raises(RmkerasError, match="different tokenisers"):
        mixed.encode(TEXTS)


@pytest.mark.parametrize(
    ("count", "how", "message"), [(1, "mean", "two or more"), (2, "median", "how is")]
)
def test_what_makes_no_sense(count, how, message):
    with pytest.raises(ValueError, match=message):
        RewardEnsemble(members(count), how)


def test_an_ensemble_on_the_command_line(tmp_path, capsys):
    data, out = tmp_path / "r.csv", str(tmp_path / "run")
    data.write_text("text,rating\n" + "good,2\nbad,-2\n" * 10)
    command = ["train-reward", "--data", str(data), "--out", out, "--members", "2"]
    command += ["--epochs", "1", "--vocabulary-size", "290", "--batch-size", "8"]
    assert main(command) == 0
    a, b = (load_model(f"{out}/member-{i}").score(TEXTS) for i in (1, 2))
    assert not np.allclose(a, b)
    np.testing.assert_allclose(load_model(out).score(TEXTS), (a + b) / 2, atol=1e-6)
    capsys.readouterr()
    assert main(["evaluate", out, "--data", str(data), "--json"]) == 0
