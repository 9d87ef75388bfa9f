import json
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from rmkeras.errors import RmkerasError
from rmkeras.models import CausalLM, load_model, transformer_reward_model
from rmkeras.rewards import FunctionReward, LearnedReward, WeightedSum
from rmkeras.rl import ALGORITHMS, Look, Reinforce, align
from rmkeras.rl.alignment import Interrupted
from rmkeras.rl.sampler import Samples
from rmkeras.text import SubwordTokenizer, pad

PROMPTS = ["good", "bad", "a film", "the"]


@pytest.fixture(autouse=True, scope="module")
def quick_sampler():
    """Without XLA: each new trainer would compile a sampler of its own."""
    from rmkeras.rl.sampler import DecodeFunctions

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DecodeFunctions.__init__, "__defaults__", (False,))
        original = DecodeFunctions.__init__
        patch.setattr(
            DecodeFunctions, "__init__", lambda self, compile=True: original(self)
        )
        yield


def letters(texts):
    return [t.count("o") - 0.1 * len(t) for t in texts]


def make(name, start=None, **options):
    keras.utils.set_random_seed(0)
    tokenizer = SubwordTokenizer.train(["good film", "bad film"] * 9, 262)
    policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=24)
    if start is not None:
        policy.set_weights(start)
    kind, defaults = ALGORITHMS[name]
    options = {"prompts": PROMPTS, "samples": 2, **defaults, **options}
    reward = FunctionReward(letters)
    return kind(policy, reward, batch_size=8, max_new_tokens=6, **options)


QUICK = {"every": 2, "progress": False}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_resumed_run_ends_with_the_same_weights(name, tmp_path):
    more = {"baseline": "moving-average"} if name == "reinforce" else {}
    if name == "grpo":
        more = {"kl_target": 0.01, "kl_horizon": 20}
    if name == "q-learning":
        more = {"copy_every": 3, "memory": 2}
    whole = make(name, **more)
    run = align(whole, 4, Look(whole, 4), **QUICK)
    part = make(name, **more)
    align(part, 2, Look(part, 4), out=tmp_path / "run", **QUICK)
    again = make(name, **more)
    resumed = align(
        again, 4, Look(again, 4), out=tmp_path / "run", resume=True, **QUICK
    )
    for a, b in zip(
        whole.policy.get_weights(), again.policy.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert run["steps"] == resumed["steps"] and run["looks"] == resumed["looks"]
    # What is saved is an ordinary model, without an optimizer of an older training.
    saved = load_model(tmp_path / "run")
    ids = np.array([[1, 70, 71]])
    np.testing.assert_array_equal(np.array(saved(ids)), np.array(again.policy(ids)))


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    trainer = make("reinforce")
    original = trainer.step

    def step():
        logs = original()
        if trainer.steps_done == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return logs

    trainer.step = step
    with pytest.raises(Interrupted, match="after step 2 of 5"):
        align(trainer, 5, Look(trainer, 4), out=tmp_path, **QUICK)
    again = make("reinforce")
    run = align(again, 5, Look(again, 4), out=tmp_path, resume=True, **QUICK)
    assert [s["step"] for s in run["steps"]] == [1, 2, 3, 4, 5]


def test_the_budget_ends_the_run():
    trainer = make("reinforce", learning_rate=5e-2, kl_coefficient=0.0)
    run = align(trainer, 60, Look(trainer, 4), kl_budget=0.5, **QUICK)
    assert run["stopped_by"] == "kl" and trainer.steps_done < 60
    kls = [s["kl"] for s in run["steps"]]
    assert np.mean(kls[-3:]) >= 0.5 > np.mean(kls[-4:-1])
    assert run["looks"][-1]["step"] == trainer.steps_done


def test_another_policy_or_algorithm_is_not_resumed(tmp_path):
    trainer = make("reinforce")
    align(trainer, 1, Look(trainer, 4), out=tmp_path, **QUICK)
    moved = [w + 0.1 for w in trainer.reference.get_weights()]
    other = make("reinforce", moved)
    with pytest.raises(RmkerasError, match="another policy"):
        align(other, 2, out=tmp_path, resume=True, **QUICK)
    other = make("ppo")
    with pytest.raises(RmkerasError, match="another algorithm"):
        align(other, 2, out=tmp_path, resume=True, **QUICK)
    # Weights of one shape would not tell these apart.
    for other, said in (
        (make("rloo"), "algorithm was Reinforce, is RLOO"),
        (make("reinforce", seed=1), "seed was 0, is 1"),
        (make("reinforce", learning_rate=0.5), "learning_rate was .*, is 0.5"),
        (make("reinforce", kl_coefficient=0.7), "kl_coefficient was .*, is 0.7"),
        (make("reinforce", prompts=["other"]), "prompts was"),
    ):
        with pytest.raises(RmkerasError, match=said):
            align(other, 2, out=tmp_path, resume=True, **QUICK)
    with pytest.raises(RmkerasError, match="nothing to resume"):
        align(make("ppo"), 2, out=tmp_path / "none", resume=True, **QUICK)


def test_looks_use_the_same_dice_and_do_not_disturb_training():
    looked, blind = make("rloo"), make("rloo")
    look = Look(looked, 4)
    assert look() == look()
    looked.step(), blind.step()
    look()
    assert looked.step() == blind.step()
    found, rows = look()
    assert set(rows[0]) == {"prompt", "completion", "reward"} and len(rows) == 4
    assert found["reward"] == pytest.approx(
        np.mean([letters([r["completion"]])[0] for r in rows]), abs=1e-3
    )
    assert json.dumps(found)


def test_looks_do_not_let_weights_adapt(tmp_path):
    def adapting(adapt="lagging"):
        trainer = make("rloo")
        parts = [FunctionReward(letters), FunctionReward(lambda t: [len(x) for x in t])]
        parts = WeightedSum(parts, adapt=adapt)
        return type(trainer)(trainer.policy, parts, batch_size=8, max_new_tokens=6)

    looked, blind = adapting(), adapting()
    look = Look(looked, 4)
    assert look() == look()
    for _ in range(2):
        assert looked.step() == blind.step()
        look()
    assert looked.reward.state() == blind.reward.state()
    # Another reward makes another run; what was saved before had none written down.
    numbers, arrays = looked.state()
    with pytest.raises(ValueError, match=r"reward was .*lagging.*, is .*scale"):
        adapting("scale").load_state(numbers, arrays)
    del numbers["decides"]["reward"]
    adapting().load_state(numbers, arrays)


def test_texts_beyond_the_reward_models_length_are_scored_as_texts():
    keras.utils.set_random_seed(0)
    trainer = make("reinforce")
    model = transformer_reward_model(
        trainer.policy.tokenizer, dim=8, num_layers=1, num_heads=2, max_length=5
    )
    learned, tokenizer = LearnedReward(model), trainer.policy.tokenizer
    texts, ended = (
        ["film", "good film bad", "bad", "good film"],
        [True, True, True, False],
    )
    rows = [tokenizer.encode([t], end=e)[0] for t, e in zip(texts, ended, strict=True)]
    ids = pad(rows, max(map(len, rows)))
    ids[-1] = (rows[-1] * 9)[: ids.shape[1]]
    texts = tokenizer.decode(ids)
    assert tokenizer.encode(texts[-1:])[0] == ids[-1].tolist()
    samples = Samples(tf.constant(ids), None, ids > 0, None, tf.constant(ended, bool))
    for unfinished in (-1.0, None):
        how = {"batch_size": 4, "max_new_tokens": 9, "unfinished_reward": unfinished}
        trainer = Reinforce(trainer.policy, learned, **how)
        told = slice(None if unfinished is None else 3)
        scores = trainer._scores(samples, None)
        np.testing.assert_allclose(scores[told], learned(texts)[told], atol=1e-5)
        assert np.isfinite(trainer.step()["loss"])


def test_every_prompt_comes_once_an_epoch_and_in_a_new_order():
    trainer = make("rloo")  # 4 prompts of 2 samples a step: an epoch a step
    epochs = []
    for step in range(4):
        trainer.steps_done = step
        epochs.append(trainer._next_prompts())
        assert sorted(epochs[-1]) == [0, 1, 2, 3]
    assert len({tuple(e) for e in epochs}) > 1
