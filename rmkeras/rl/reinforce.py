r"""REINFORCE: raise the probability of what was rewarded.

We want policy parameters θ with a high expected reward J(θ) = E_{x∼π_θ}[R(x)].
The reward cannot be differentiated: it is a person, a rule or a model that reads
finished text, and drawing a token has no gradient. But the *probability* of what
was drawn has one:

    ∇J = Σ_x R(x) ∇π(x) = Σ_x π(x) R(x) ∇log π(x) = E[R(x) ∇log π(x)]

so an average over samples estimates it. Three details make it work:

1. Baseline. E[∇log π(x)] = 0, so any b that does not depend on x may be taken off:
   E[(R(x) − b) ∇log π(x)] = ∇J. We take the mean reward of the *other* samples in
   the batch: it tracks the reward as it rises, and leaves the estimate unbiased
   (the mean of all samples, x's own included, would shrink it by 1 − 1/n).
2. KL. The reward model knows nothing about text that nobody writes, and a policy
   finds such text. So straying from the model we started from costs:
   R(x) = r(x) − β log(π_θ(x) / π_ref(x)), whose second term is β KL on average.
   The log-ratio is part of the reward, a constant for the gradient: its own
   gradient has expectation zero, as in 1.
3. One policy. Samples are drawn plainly (no top-k, no temperature) with dropout
   off, so that the log-probabilities differentiated are those sampled from.

Source: Williams (1992); Kool, van Hoof and Welling (2019) for the baseline;
Ziegler et al. (2019), equation 2, for the KL.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from rmkeras.losses.policy import kl_estimate, reinforce_loss, token_log_probabilities
from rmkeras.rl.draw import uniforms
from rmkeras.rl.sampler import SamplingOptions, decode_loop
from rmkeras.text.tokenizer import END_ID


def leave_one_out_baseline(rewards):
    """Mean reward of the other samples: b_i = (Σ_j R_j − R_i) / (n − 1).

    Args:
        rewards: `(batch,)`, at least two.

    Returns:
        `(batch,)`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl import leave_one_out_baseline
    >>> leave_one_out_baseline(np.array([1.0, 2.0, 6.0])).numpy().tolist()
    [4.0, 3.5, 1.5]
    """
    rewards = tf.convert_to_tensor(rewards)
    others = tf.cast(tf.shape(rewards)[0] - 1, rewards.dtype)
    return (tf.reduce_sum(rewards) - rewards) / others


def frozen_copy(model):
    """A second model with the same weights, not trainable: the reference.

    Args:
        model: A built `CausalLM`.

    Returns:
        A `CausalLM`.
    """
    copy = model.__class__.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    copy.trainable = False
    return copy


class Reinforce:
    """Samples, scores, compares with a baseline, updates: one graph a step.

    Args:
        policy: A `CausalLM`, changed in place.
        reward: A `rmkeras.rewards.Reward`.
        batch_size: Samples a step.
        max_new_tokens: Longest sample, end-of-text included.
        kl_coefficient: β, in reward units a nat.
        learning_rate: Adam's.
        unfinished_reward: Score of a sample that never came to its end; `None`
            leaves it to the reward.
        reference: Where the KL is measured from; a frozen copy of the policy as it
            is now if `None`.
        seed: Decides all draws.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import Reinforce
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> trainer = Reinforce(policy, FunctionReward(lambda t: [len(x) for x in t], "n"),
    ...                     batch_size=4, max_new_tokens=5)
    >>> sorted(trainer.step())
    ['baseline', 'entropy', 'kl', 'length', 'reward', 'stopped']
    """

    def __init__(
        self,
        policy,
        reward,
        batch_size=64,
        max_new_tokens=32,
        kl_coefficient=0.1,
        learning_rate=3e-4,
        unfinished_reward=-1.0,
        reference=None,
        seed=0,
    ):
        if batch_size < 2:
            raise ValueError(
                f"batch_size is {batch_size}; the baseline of a sample is the mean of "
                "the others, so at least 2 are needed"
            )
        self.policy = policy
        self.reward = reward
        self.batch_size = batch_size
        self.max_new_tokens = max_new_tokens
        self.kl_coefficient = kl_coefficient
        self.unfinished_reward = unfinished_reward
        self.reference = frozen_copy(policy) if reference is None else reference
        self.seed = seed
        # ε = 1e-5 as in published RLHF code: with the usual 1e-7 the first steps,
        # when second moments are near zero, are too large.
        self.optimizer = keras.optimizers.Adam(
            learning_rate, epsilon=1e-5, global_clipnorm=1.0
        )
        self.optimizer.build(policy.trainable_variables)
        self.steps_done = 0
        self._step = tf.function(
            self._one_step,
            input_signature=[tf.TensorSpec((batch_size, max_new_tokens))],
            autograph=False,
        )
        self._options = SamplingOptions(stop_ids=(policy.tokenizer.end_id,))

    def _one_step(self, uniform):
        # Sample: x ~ π_θ, every text begun by the model itself.
        prompts = tf.fill((self.batch_size, 1), END_ID)
        samples = decode_loop(self.policy, prompts, uniform, self._options)
        ids, mask = samples.ids, tf.cast(samples.mask, tf.float32)  # (B, L)
        inputs = tf.concat([prompts, ids[:, :-1]], axis=1)  # (B, L), shifted by one

        # Score: r(x), and how far x has strayed.
        scores = self.reward.score_ids(ids, self.policy.tokenizer)  # (B,)
        stopped = samples.stopped()
        if self.unfinished_reward is not None:
            scores = tf.where(stopped, scores, self.unfinished_reward)
        reference = token_log_probabilities(self.reference(inputs, training=False), ids)
        kl = kl_estimate(samples.log_probs, reference, mask)  # (B,)
        rewards = scores - self.kl_coefficient * kl
        baseline = leave_one_out_baseline(rewards)

        # Update: θ ← θ + α (R − b) ∇log π_θ(x).
        with tf.GradientTape() as tape:
            logits = self.policy(inputs, training=False)  # (B, L, V)
            loss = reinforce_loss(
                token_log_probabilities(logits, ids), rewards - baseline, mask
            )
        variables = self.policy.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        tokens = tf.reduce_sum(mask)
        return {
            "reward": tf.reduce_mean(scores),
            "kl": tf.reduce_mean(kl),
            "entropy": -tf.reduce_sum(samples.log_probs * mask) / tokens,
            "length": tokens / self.batch_size,
            "stopped": tf.reduce_mean(tf.cast(stopped, tf.float32)),
            "baseline": tf.reduce_mean(baseline),
        }

    def step(self):
        """Makes one update.

        Returns:
            A dict of floats: mean `reward` (before the KL is taken off), `kl` in
            nats a sequence, `entropy` in nats a token, `length` in tokens, share
            `stopped`, and the `baseline`.
        """
        # Each step has rows of its own, so that no two draw the same numbers.
        uniform = uniforms(
            self.seed,
            self.batch_size,
            self.max_new_tokens,
            first_row=self.steps_done * self.batch_size,
        )
        logs = {k: float(v) for k, v in self._step(uniform).items()}
        self.steps_done += 1
        if not np.isfinite(logs["reward"]):
            raise FloatingPointError(
                f"the reward is {logs['reward']} at step {self.steps_done}; the "
                "policy was left as it was before the step or has diverged"
            )
        return logs
