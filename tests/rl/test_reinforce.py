import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from rmkeras.models import CausalLM
from rmkeras.rewards import FunctionReward
from rmkeras.rl import Reinforce, leave_one_out_baseline
from rmkeras.text import SubwordTokenizer, pad


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


@pytest.fixture
def policy():
    keras.utils.set_random_seed(0)
    tokenizer = SubwordTokenizer.train(["good film", "bad film"] * 9, 262)
    return CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)


class InGraph(FunctionReward):
    """A reward of ids, so that a small world can be enumerated."""

    def __init__(self, table):
        self.table = tf.constant(table, tf.float32)
        self.name = "table"
        self.needs = ()

    def in_graph(self, tokenizer):
        return True

    def score_ids(self, ids, tokenizer):
        return tf.reduce_sum(tf.gather(self.table, ids), axis=1)


def narrow(policy, allowed):
    """Makes all but a few tokens impossible, so that all texts can be listed."""
    bias = np.full(policy.bias.shape, -1e9, "float32")
    bias[list(allowed)] = 0.0
    policy.bias.assign(bias)


def test_the_average_step_is_the_enumerated_gradient(policy):
    """The mean of many one-step gradients against ∇ E[r − β KL] over all texts."""
    allowed, length, beta = (1, 70, 80), 2, 0.3
    narrow(policy, allowed)
    table = np.zeros(policy.tokenizer.vocabulary_size)
    table[[70, 80]] = 1.0, -2.0
    reference = CausalLM.from_config(policy.get_config())
    reference.set_weights([w * 1.2 for w in policy.get_weights()])
    narrow(reference, allowed)
    batch = 512
    trainer = Reinforce(
        policy,
        InGraph(table),
        batch_size=batch,
        max_new_tokens=length,
        kl_coefficient=beta,
        unfinished_reward=None,
        reference=reference,
    )
    texts = [(1, 0), *itertools.product((70, 80), allowed)]
    ids = np.array(texts, "int32")
    inputs = np.concatenate([np.ones((len(ids), 1), "int32"), ids[:, :1]], 1)
    mask = (ids > 0).astype("float32")

    def log_pi(model):
        rows = tf.nn.log_softmax(model(inputs))
        return tf.reduce_sum(tf.gather(rows, ids, batch_dims=2) * mask, 1)

    ref = log_pi(reference)
    with tf.GradientTape() as tape:
        lp = log_pi(policy)
        rewards = table[ids].sum(1).astype("float32")
        objective = tf.reduce_sum(tf.exp(lp) * (rewards - beta * (lp - ref)))
    assert abs(float(tf.reduce_sum(tf.exp(lp))) - 1) < 1e-5, "not all texts listed"
    exact = tape.gradient(objective, policy.bias)

    # Plain gradient descent with rate 1 turns a step into minus its gradient.
    trainer.optimizer = keras.optimizers.SGD(1.0)
    trainer.optimizer.build(policy.trainable_variables)
    start, bias = policy.get_weights(), np.array(policy.bias)
    steps = []
    for _ in range(60):
        policy.set_weights(start)
        trainer.step()
        steps.append(np.array(policy.bias) - bias)
    at = list(allowed)
    # Float32 cannot add a step to the bias of the excluded tokens; they have none.
    mean = np.mean(steps, 0)[at]
    error = np.std(steps, 0)[at] / np.sqrt(len(steps))
    exact = np.array(exact)[at]
    assert np.abs(exact).max() > 0.1
    assert (np.abs(mean - exact) < 4.5 * error + 1e-3).all(), (mean, exact, error)


def test_baseline_is_the_mean_of_the_others():
    rewards = np.random.default_rng(0).normal(size=7)
    expected = [np.delete(rewards, i).mean() for i in range(7)]
    np.testing.assert_allclose(leave_one_out_baseline(rewards), expected)


def test_the_reward_rises_and_kl_starts_at_zero(policy):
    reward = FunctionReward(lambda texts: [t.count("o") for t in texts], "o")
    trainer = Reinforce(
        policy,
        reward,
        batch_size=64,
        max_new_tokens=8,
        kl_coefficient=0.01,
        learning_rate=1e-2,
        unfinished_reward=None,
    )
    logs = [trainer.step() for _ in range(40)]
    assert abs(logs[0]["kl"]) < 1e-4
    assert np.mean([x["reward"] for x in logs[-5:]]) > logs[0]["reward"] + 1
    assert logs[-1]["kl"] > 0.1
    assert logs[-1]["entropy"] < logs[0]["entropy"]


def test_a_strong_kl_coefficient_holds_the_policy_back(policy):
    reward = FunctionReward(lambda texts: [t.count("o") for t in texts], "o")
    start, kl = policy.get_weights(), {}
    for beta in (0.0, 5.0):
        policy.set_weights(start)
        trainer = Reinforce(
            policy, reward, 64, 8, kl_coefficient=beta, learning_rate=1e-2
        )
        kl[beta] = [trainer.step()["kl"] for _ in range(30)][-1]
    assert kl[5.0] < 0.2 * kl[0.0]


def test_the_reference_stays_as_it_was(policy):
    trainer = Reinforce(
        policy,
        FunctionReward(lambda t: [len(x) for x in t], "n"),
        8,
        5,
        unfinished_reward=None,
    )
    before = [w.copy() for w in trainer.reference.get_weights()]
    trainer.step()
    for a, b in zip(before, trainer.reference.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        (np.array(p) != r).any()
        for p, r in zip(policy.get_weights(), before, strict=True)
    )


def test_an_unfinished_text_gets_the_fixed_score(policy):
    bias = np.zeros(policy.bias.shape, "float32")
    bias[1] = -1e9  # never ends
    policy.bias.assign(bias)
    trainer = Reinforce(policy, FunctionReward(lambda t: [5.0] * len(t), "five"), 8, 5)
    logs = trainer.step()
    assert logs["reward"] == -1.0 and logs["stopped"] == 0.0 and logs["length"] == 5.0


def test_the_same_seed_gives_the_same_weights(policy):
    start, ends = policy.get_weights(), []
    for _ in range(2):
        policy.set_weights(start)
        trainer = Reinforce(
            policy,
            FunctionReward(lambda t: [len(x) for x in t], "n"),
            8,
            5,
            seed=4,
            unfinished_reward=None,
        )
        trainer.step()
        ends.append(policy.get_weights())
    for a, b in zip(*ends, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_sample_is_too_few():
    with pytest.raises(ValueError, match="at least 2"):
        Reinforce(None, None, batch_size=1)


def test_padding_is_scored_like_the_text_alone(policy):
    from rmkeras.models import lstm_reward_model
    from rmkeras.rewards import LearnedReward

    model = lstm_reward_model(policy.tokenizer, dim=8, units=4)
    ids = pad(model.encode(["good film", "bad"]), 12)
    got = LearnedReward(model).score_ids(tf.constant(ids), policy.tokenizer)
    np.testing.assert_allclose(got, model.score(["good film", "bad"]), atol=1e-5)
