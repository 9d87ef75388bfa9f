"""The published details that decide whether RL from rewards works, one test each.

Each is numbered in the docstring of `rmkeras.rl.online` or of its algorithm; the tests
that are not here stand beside the function they are about.
"""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from rmkeras.losses import clipped_policy_loss, kl_estimate
from rmkeras.models import CausalLM
from rmkeras.rewards import FunctionReward
from rmkeras.rl import GRPO, PPO, RLOO, Reinforce, Sampler
from rmkeras.rl.completions import completion_log_probs, mean_entropy
from rmkeras.rl.values import token_rewards
from rmkeras.text import SubwordTokenizer
from tests.rl.worlds import ALLOWED, LENGTH, SmallWorld, assert_mean

PLAIN = {"max_new_tokens": LENGTH, "unfinished_reward": None}


@pytest.fixture(autouse=True, scope="module")
def quick_sampler():
    """Without XLA: each new trainer would compile a sampler of its own."""
    from rmkeras.rl.sampler import DecodeFunctions

    with pytest.MonkeyPatch.context() as patch:
        original = DecodeFunctions.__init__
        patch.setattr(
            DecodeFunctions,
            "__init__",
            lambda self, compile=True: original(self, False),
        )
        yield


@pytest.fixture
def policy():
    keras.utils.set_random_seed(0)
    tokenizer = SubwordTokenizer.train(["good film", "bad film"] * 9, 262)
    policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=24)
    bias = np.zeros(policy.bias.shape, "float32")
    bias[1] = 3.0  # so that many texts end
    policy.bias.assign(bias)
    return policy


def count(texts):
    return [float(len(t)) for t in texts]


def caught(trainer, learn=False):
    """A step's report, and the batch that its `advantages` saw."""
    seen, original = [], trainer.advantages
    if not learn:  # An update would have to be traced for nothing.
        trainer.learn = lambda batch, beta: [{"loss": tf.constant(0.0)}]

    def advantages(batch, beta):
        seen.append({k: np.array(v) for k, v in batch.items()})
        return original(batch, beta)

    trainer.advantages = advantages
    trainer._compare = trainer._comparison
    return trainer.step(), seen[0]


def test_log_probabilities_are_those_at_the_sampling_temperature(policy):
    """Else the first pass has ratios far from 1, and KL is not 0 at the start."""
    options = {"temperature": 0.6, "samples": 4, "unfinished_reward": None}
    logs, batch = caught(GRPO(policy, FunctionReward(count), 8, 6, **options), True)
    assert logs["ratio"] == pytest.approx(1, abs=1e-4)
    assert abs(logs["kl"]) < 1e-4
    prompt_ids, ids = batch["prompt_ids"], batch["ids"]
    logits = np.array(completion_log_probs(policy, prompt_ids, ids)[1])
    # The update has moved the weights a little since.
    z = tf.nn.log_softmax(logits / 0.6)
    cold = np.array(tf.gather(z, ids, batch_dims=2)) * batch["mask"]
    assert np.abs(cold - batch["log_probs"]).max() < 0.2


@pytest.mark.parametrize("option", ["top_k", "top_p", "min_new_tokens"])
def test_training_samples_plainly(policy, option):
    with pytest.raises(TypeError, match=option):
        Reinforce(policy, FunctionReward(count), 8, 6, **{option: 1})
    options = Reinforce(policy, FunctionReward(count), 8, 6).sampler.options
    assert (options.top_k, options.top_p, options.repetition_penalty) == (0, 1.0, 1.0)


def test_a_cut_distribution_would_make_kl_negative(policy):
    """Why samples are drawn plainly: log-probabilities of a whole policy, taken at
    texts that top-k drew, no longer average to a KL."""
    reference = CausalLM.from_config(policy.get_config())
    # The reference is the sharper one: most likely tokens are likelier there.
    reference.set_weights([1.5 * w for w in policy.get_weights()])
    found = {}
    for top_k in (0, 1):
        drawn = Sampler(policy, 6, top_k=top_k)(batch_size=256, seed=1)
        ours, theirs = (
            completion_log_probs(m, drawn.prompt_ids, drawn.ids)[0]
            for m in (policy, reference)
        )
        mask = tf.cast(drawn.mask, tf.float32)
        found[top_k] = float(tf.reduce_mean(kl_estimate(ours, theirs, mask)))
    assert found[0] > 0 > found[1]


@pytest.mark.parametrize("prompts", [None, ["a film", "good", "<|endoftext|> bad"]])
def test_the_score_is_added_at_end_of_text(policy, prompts):
    trainer = PPO(policy, FunctionReward(count), 12, 6, prompts=prompts, minibatches=1)
    logs, batch = caught(trainer)
    assert 0 < logs["stopped"] < 1
    laid_out = np.array(token_rewards(batch, 0.0))
    for row, ids in enumerate(batch["ids"]):
        ends = np.flatnonzero(ids == 1)
        place = ends[0] if len(ends) else (ids != 0).sum() - 1
        expected = np.zeros(len(ids))
        expected[place] = batch["scores"][row]
        np.testing.assert_array_equal(laid_out[row], expected)
        # Only the completion says whether a text has come to its end.
        assert batch["stopped"][row] == bool(len(ends))
        if not len(ends):
            assert batch["scores"][row] == -1.0


def test_the_prompts_end_of_text_ends_nothing(policy):
    bias = np.zeros(policy.bias.shape, "float32")
    bias[1] = -1e9  # the policy never ends a text
    policy.bias.assign(bias)
    prompts = ["good film", "bad"]  # each begins with end-of-text
    trainer = RLOO(policy, FunctionReward(count), 8, 5, prompts=prompts)
    assert all(row[0] == 1 for row in trainer._rows)
    logs, _ = caught(trainer)
    assert logs["stopped"] == 0.0 and logs["reward"] == -1.0


def test_ppo_has_the_published_settings(policy):
    defaults = {
        name: p.default
        for name, p in inspect.signature(PPO.__init__).parameters.items()
    }
    expected = {"clip": 0.2, "value_clip": 0.2, "value_coefficient": 0.1, "epochs": 4}
    expected |= {"discount": 1.0, "trace": 0.95}
    assert {k: defaults[k] for k in expected} == expected
    trainer = PPO(policy, FunctionReward(count), 8, 6)
    hidden = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    assert (np.array(trainer.values(hidden)) == 0).all()


def test_adam_is_tensorflows_with_a_large_epsilon(policy):
    trainer = Reinforce(policy, FunctionReward(count), 8, 6, learning_rate=0.1)
    assert trainer.optimizer.global_clipnorm == 1.0
    w = tf.Variable([0.0])
    adam = keras.optimizers.Adam.from_config(trainer.optimizer.get_config())
    adam.apply([tf.constant([1e-6])], [w])
    # ε is added to √v before the correction of its bias (ε̂), else the step is larger.
    m, v = 0.1 * 1e-6, 0.001 * 1e-12
    rate = 0.1 * np.sqrt(1 - 0.999) / (1 - 0.9)
    assert float(w[0]) == pytest.approx(-rate * m / (np.sqrt(v) + 1e-5), rel=1e-3)


def test_no_two_steps_and_no_two_workers_draw_the_same(policy):
    def samples(seed):
        trainer = Reinforce(policy, FunctionReward(count), 16, 6, seed=seed)
        found = []
        for step in range(2):
            trainer.steps_done = step
            found += [tuple(row) for row in trainer._draw()[0].ids.numpy()]
        return found

    ours, others = samples(0), samples(1)
    assert ours[:16] != ours[16:] and ours != others
    assert ours == samples(0)


def test_what_a_run_needs_is_logged(policy):
    logs = PPO(policy, FunctionReward(count), 8, 6, epochs=1, minibatches=1).step()
    wanted = "reward kl entropy length stopped ratio clip_fraction approximate_kl beta"
    assert set(wanted.split()) <= set(logs)
    assert logs["ratio"] == pytest.approx(1, abs=1e-4) and logs["clip_fraction"] == 0


def test_by_sequence_a_long_wrong_answer_is_punished_less():
    mask = np.float32([[1, 1, 1, 1], [1, 0, 0, 0]])
    gradients = {}
    for how in ("sequence", "token", "constant"):
        log_probs = tf.Variable(tf.zeros((2, 4)))
        with tf.GradientTape() as tape:
            loss, _ = clipped_policy_loss(
                log_probs, tf.zeros((2, 4)), tf.constant([-1.0, -1.0]), mask, how=how
            )
        g = tape.gradient(loss, log_probs).numpy()
        gradients[how] = g[0, 0] / g[1, 0]  # a long answer's token by a short one's
    assert gradients["sequence"] == pytest.approx(0.25)
    assert gradients["token"] == gradients["constant"] == pytest.approx(1)


def test_k2_is_half_the_mean_square_and_close_to_the_kl_nearby():
    world = SmallWorld()
    ours, theirs = (
        np.array(world.token_log_probs(m)) for m in (world.policy, world.reference)
    )
    p = np.exp(ours.sum(1))
    each = np.array(kl_estimate(ours, theirs, world.mask, "k2"))
    exact = (p * (ours.sum(1) - theirs.sum(1))).sum()
    expected = (p * (0.5 * (ours - theirs) ** 2).sum(1)).sum()
    assert (p * each).sum() == pytest.approx(expected, rel=1e-5)
    assert (p * each).sum() == pytest.approx(exact, rel=0.2)


def test_penalties_and_clips_shape_the_score(policy):
    options = {"unfinished_reward": None, "baseline": "none", "kl_coefficient": 0.0}
    seen = {}
    for name, more in {
        "plain": {},
        "length": {"length_penalty": 0.5},
        "clip": {"reward_clip": 2.0},
        "white": {"whiten_rewards": True},
    }.items():
        trainer = Reinforce(policy, FunctionReward(count), 16, 6, **options, **more)
        seen[name] = caught(trainer)
    plain = seen["plain"][1]["scores"]
    length = seen["plain"][1]["mask"].sum(1)
    np.testing.assert_allclose(seen["length"][1]["scores"], plain - 0.5 * length)
    np.testing.assert_allclose(seen["clip"][1]["scores"], np.clip(plain, -2, 2))
    white = seen["white"][1]["scores"]
    assert white.mean() == pytest.approx(plain.mean(), rel=1e-4)
    assert white.std() == pytest.approx(1, abs=1e-4)
    # What is reported is the reward as it was given.
    assert len({logs["reward"] for logs, _ in seen.values()}) == 1


def test_the_entropy_bonus_is_the_entropy_and_raises_it(policy):
    logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    mask = np.float32([[1, 1, 0], [1, 0, 0]])
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    each = -(p * np.log(p)).sum(-1)[mask > 0]
    assert float(mean_entropy(logits, mask)) == pytest.approx(each.mean(), rel=1e-5)
    start, entropy = policy.get_weights(), {}
    for bonus in (0.0, 2.0):
        policy.set_weights(start)
        trainer = Reinforce(
            policy,
            FunctionReward(lambda t: [0.0] * len(t)),
            32,
            6,
            learning_rate=2e-2,
            kl_coefficient=0.0,
            unfinished_reward=None,
            entropy_coefficient=bonus,
        )
        entropy[bonus] = [trainer.step()["entropy"] for _ in range(8)][-1]
    assert entropy[2.0] > entropy[0.0] + 0.1


def test_a_discount_weighs_each_token_by_what_is_left():
    world, discount = SmallWorld(), 0.5
    trainer = Reinforce(
        world.policy,
        world.reward,
        128,
        kl_coefficient=0.0,
        baseline="none",
        discount=discount,
        **PLAIN,
    )
    length = world.mask.sum(1)
    # γ^(T − t) R for token t: the score belongs to the last one.
    weight = discount ** (length[:, None] - 1 - np.arange(LENGTH)) * world.mask
    with tf.GradientTape() as tape:
        each = world.token_log_probs(world.policy)
        p = tf.stop_gradient(tf.exp(tf.reduce_sum(each, 1)))
        inner = tf.reduce_sum(each * (weight * world.rewards()[:, None]), 1)
        objective = tf.reduce_sum(p * inner)
    exact = np.array(tape.gradient(objective, world.policy.bias))[list(ALLOWED)]
    assert_mean(world.updates(trainer, 40), exact)


def test_rloo_on_old_samples_clips_the_ratio_of_the_whole_text():
    world = SmallWorld()
    trainer = RLOO(
        world.policy,
        world.reward,
        64,
        samples=4,
        prompts=[""],
        epochs=3,
        learning_rate=0.1,
        kl_coefficient=0.0,
        **PLAIN,
    )
    logs = [trainer.step() for _ in range(6)]
    assert logs[0]["clip_fraction"] > 0
    assert np.mean([x["reward"] for x in logs[-2:]]) > logs[0]["reward"] + 0.5
