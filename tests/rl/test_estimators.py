"""Every policy-gradient estimator against a world in which all texts are listed."""

import numpy as np
import pytest
import tensorflow as tf

from rmkeras.losses import kl_estimate
from rmkeras.rl import GRPO, PPO, RLOO, Reinforce
from tests.rl.worlds import ALLOWED, LENGTH, SmallWorld, assert_mean

PLAIN = {"max_new_tokens": LENGTH, "unfinished_reward": None}


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
def world():
    return SmallWorld()


@pytest.mark.parametrize(
    "options",
    [
        {"baseline": "none"},
        {"baseline": "batch"},
        {"baseline": "moving-average"},
        {"baseline": "learned"},
        {"baseline": "none", "to_go": True},
    ],
    ids=lambda o: "-".join(map(str, o.values())),
)
def test_reinforce_is_unbiased_with_every_baseline(world, options):
    beta = 0.3
    trainer = Reinforce(
        world.policy,
        world.reward,
        128,
        kl_coefficient=beta,
        reference=world.reference,
        **PLAIN,
        **options,
    )
    exact = world.gradient(beta)
    assert np.abs(exact).max() > 0.1
    assert_mean(world.updates(trainer, 40), exact)


def test_rloo_is_unbiased(world):
    trainer = RLOO(
        world.policy,
        world.reward,
        128,
        prompts=[""] * 3,
        samples=4,
        kl_coefficient=0.3,
        reference=world.reference,
        **PLAIN,
    )
    assert_mean(world.updates(trainer, 40), world.gradient(0.3))


def test_grpo_without_scaling_is_the_gradient_up_to_a_known_factor(world):
    # Its mean contains the sample itself: a factor 1 − 1/k; and the constant
    # normaliser divides by the length.
    trainer = GRPO(
        world.policy,
        world.reward,
        128,
        prompts=[""],
        samples=4,
        scale=False,
        normalizer="constant",
        kl_coefficient=0.0,
        **PLAIN,
    )
    expected = world.gradient() * (1 - 1 / 4) / LENGTH
    assert_mean(world.updates(trainer, 40), expected)


def test_a_baseline_lowers_the_variance(world):
    world.table[list(ALLOWED)] += 10.0  # far from zero, as ratings often are
    world.reward.table = tf.constant(world.table)
    spread = {}
    for baseline in ("none", "batch", "moving-average"):
        trainer = Reinforce(
            world.policy,
            world.reward,
            64,
            kl_coefficient=0.0,
            baseline=baseline,
            **PLAIN,
        )
        trainer.average.assign([20.0, 1.0])
        spread[baseline] = world.updates(trainer, 30).var(0).sum()
    assert spread["batch"] < 0.2 * spread["none"]
    # As theory says: of n samples a step, an n-th of one sample's variance.
    p = np.exp(world.log_pi().numpy())
    mean = float((p * world.rewards()).sum())
    for baseline, b in (("none", 0.0), ("batch", mean)):
        expected = world.variance(b) / 64
        assert spread[baseline] == pytest.approx(expected, rel=0.4), baseline
    assert spread["moving-average"] < 0.5 * spread["none"]


def test_rewards_to_go_lower_the_variance(world):
    spread = {}
    for to_go in (False, True):
        trainer = Reinforce(
            world.policy,
            world.reward,
            64,
            kl_coefficient=3.0,  # most of the reward comes token by token
            baseline="none",
            to_go=to_go,
            reference=world.reference,
            **PLAIN,
        )
        spread[to_go] = world.updates(trainer, 60).var(0).sum()
    assert spread[True] < spread[False]


def test_rloo_with_one_group_is_reinforce(world):
    found = []
    for kind, options in ((Reinforce, {}), (RLOO, {"samples": 32})):
        trainer = kind(
            world.policy,
            world.reward,
            32,
            kl_coefficient=0.3,
            reference=world.reference,
            **PLAIN,
            **options,
        )
        found.append(world.updates(trainer, 1)[0])
    np.testing.assert_allclose(*found, atol=1e-6)


def test_grpo_on_the_first_pass_is_rloo(world):
    options = {"prompts": [""], "samples": 4, "kl_coefficient": 0.0, **PLAIN}
    rloo = world.updates(RLOO(world.policy, world.reward, 32, **options), 1)[0]
    grpo = GRPO(
        world.policy, world.reward, 32, scale=False, normalizer="constant", **options
    )
    found = world.updates(grpo, 1)[0] * LENGTH * 4 / 3
    np.testing.assert_allclose(found, rloo, atol=1e-5)


def test_ppo_on_the_first_pass_is_reinforce(world):
    options = {"kl_coefficient": 0.3, "reference": world.reference, **PLAIN}
    plain = Reinforce(
        world.policy, world.reward, 32, baseline="none", to_go=True, **options
    )
    logs = []
    original = plain.step
    plain.step = lambda: logs.append(original())
    reinforce = world.updates(plain, 1)[0]
    ppo = PPO(
        world.policy,
        world.reward,
        32,
        epochs=1,
        minibatches=1,
        trace=1.0,
        whiten_advantages=False,
        value_coefficient=0.0,
        **options,
    )
    # PPO averages over tokens, REINFORCE over texts.
    found = world.updates(ppo, 1)[0] * logs[0]["length"]
    np.testing.assert_allclose(found, reinforce, atol=1e-5)


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_kl_estimators_against_the_exact_kl(world, estimator):
    ours, theirs = (
        np.array(world.token_log_probs(m)) for m in (world.policy, world.reference)
    )
    p = np.exp(ours.sum(1))
    exact = (p * (ours.sum(1) - theirs.sum(1))).sum()
    each = np.array(kl_estimate(ours, theirs, world.mask, estimator))
    assert exact > 1e-4
    # Expectation by enumeration: no sampling error at all.
    assert (p * each).sum() == pytest.approx(exact, rel=1e-3)
    if estimator == "k3":
        assert (each >= -1e-7).all()


def test_a_step_compiled_as_a_whole_is_the_same(world):
    options = {"prompts": [""], "samples": 4, "kl_coefficient": 0.1, **PLAIN}
    options["reference"] = world.reference
    found = [
        world.updates(
            GRPO(world.policy, world.reward, 8, jit_compile=jit, **options), 1
        )[0]
        for jit in (False, True)
    ]
    assert np.abs(found[0]).max() > 1e-3
    np.testing.assert_allclose(*found, atol=1e-5)
