"""What all online methods share: sample, score, compare with the reference, update."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from rmkeras.distribute.same_run import digest
from rmkeras.losses.policy import kl_estimate
from rmkeras.models.optimizer import Adam
from rmkeras.rl.advantages import whiten
from rmkeras.rl.completions import (
    Clock,
    completion_log_probs,
    frozen_copy,
    mean_entropy,
)
from rmkeras.rl.kl_control import AdaptiveKL, FixedKL
from rmkeras.rl.prompting import Prompting
from rmkeras.rl.resuming import Resuming
from rmkeras.rl.sampler import Sampler, prompt_width
from rmkeras.rl.sharing import Sharing
from rmkeras.text.tokenizer import PAD_ID

WIDTH = 16
"""Completions are padded to multiples of this, so that few shapes occur."""


def _plain(learning_rate):
    """A number as it is; of a schedule what it is made of."""
    if isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        return digest([type(learning_rate).__name__, learning_rate.get_config()])
    return float(learning_rate)


class OnlineTrainer(Prompting, Sharing, Resuming):
    """Samples from the policy, scores the samples and learns from them.

    A method says in `advantages` what a sample was worth, and in `objective` what
    to descend. All else is here and the same for all, with these details:

    1. Samples are drawn plainly, without top-k, top-p or least length: a cut
       distribution is not π, and the KL computed from it can turn negative.
    2. Log-probabilities are those at the sampling temperature, with dropout off,
       for policy and reference alike; on the first pass every ratio is 1.
    3. The score belongs to the last sampled token, end-of-text if there is one.
    4. A text that never ends gets a fixed score, −1; the prompt is not looked at.
    5. A text's end is found from what was sampled, never from the padding id.
    6. Log-probabilities in padding count as 0 on both sides, so the ratio is 1.
    7. Rewards that are whitened keep their mean; advantages lose theirs. The
       variance is the population's, with 1e-8 added.
    8. An adaptive β moves by an error that is cut off at ±0.2, see `AdaptiveKL`.
    9. Adam is TensorFlow's (ε̂ form) with 1e-5, as early work had it; PyTorch's takes
       several times larger first steps. Gradients are clipped by their global norm.
    10. No two steps, no two rows and no two seeds draw the same random numbers.
    11. Reported are reward, KL, entropy, length, share that stopped, and, where
        there is one, the ratio, the clip fraction and the KL of the updates.

    Each has a test in `tests/rl/test_details.py` or beside its function. Sources:
    Ziegler et al. (2019); Huang et al. (2024), "The N Implementation Details of RLHF
    with PPO".

    Args:
        policy: A `CausalLM` or `RecurrentLM`, changed in place.
        reward: A `rmkeras.rewards.Reward`.
        batch_size: Samples a step.
        max_new_tokens: Longest completion, end-of-text included.
        kl_coefficient: β, in reward units a nat.
        learning_rate: Adam's, or a schedule.
        unfinished_reward: Score of a sample that never came to its end; `None`
            leaves it to the reward.
        reference: Where the KL is measured from; a frozen copy of the policy as it
            is now if `None`.
        seed: Decides all draws.
        prompts: Strings to go on from; each step takes some, every epoch in a new
            order. Without, the model begins texts of its own.
        references: Wanted completions, one a prompt, for rewards that compare.
        samples: Completions a prompt. Without prompts all samples of a step are
            one group.
        temperature: Of sampling.
        kl_target: KL a sequence, in nats, that an adaptive β holds; β is fixed if
            `None`.
        kl_horizon: See `AdaptiveKL`.
        kl_estimator: `"k1"`, `"k2"` or `"k3"`, see `kl_estimate`.
        length_penalty: Taken off the score for each token.
        whiten_rewards: Whether scores are divided by their standard deviation.
        reward_clip: Scores are cut off at ± this; not if `None`.
        entropy_coefficient: Weight of the mean entropy, in nats a token, that is
            added to what is maximised.
        epochs: Passes over each batch of samples.
        minibatches: Parts of a batch, one update each.
        jit_compile: Whether XLA compiles comparison and update as a whole. Their
            wide parts are compiled anyway, each by itself; the whole takes seconds
            more whenever a width is new, and gains nothing on a processor.

    Attributes:
        seconds: What each phase of the last step took.
        kl: The KL controller; `kl.value` is β.
    """

    row_unit = 1  # rows of a batch that the objective looks at together

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
        prompts=None,
        references=None,
        samples=None,
        temperature=1.0,
        kl_target=None,
        kl_horizon=10_000,
        kl_estimator="k1",
        length_penalty=0.0,
        whiten_rewards=False,
        reward_clip=None,
        entropy_coefficient=0.0,
        epochs=1,
        minibatches=1,
        jit_compile=False,
    ):
        if batch_size % minibatches:
            raise ValueError(
                f"batch_size is {batch_size} and cannot be divided into {minibatches} "
                "minibatches of one size"
            )
        self._chosen = {
            "learning_rate": _plain(learning_rate),
            "kl_coefficient": kl_coefficient,
            "kl_target": kl_target,
            "kl_horizon": kl_horizon,
        }
        self.policy = policy
        self.reward = reward
        self.batch_size = batch_size
        self.max_new_tokens = max_new_tokens
        self._take_prompts(prompts, references, samples)
        self.unfinished_reward = unfinished_reward
        self.reference = frozen_copy(policy) if reference is None else reference
        self.seed = seed
        self.temperature = temperature
        if kl_target is None:
            self.kl = FixedKL(kl_coefficient)
        else:
            self.kl = AdaptiveKL(kl_coefficient, kl_target, kl_horizon)
        self.kl_estimator = kl_estimator
        self.length_penalty = length_penalty
        self.whiten_rewards = whiten_rewards
        self.reward_clip = reward_clip
        self.entropy_coefficient = entropy_coefficient
        self.epochs = epochs
        self.minibatches = minibatches
        # Plain options of this class and of a method that sets its own before this.
        plain = (bool, int, float, str, type(None))
        self._chosen |= {k: v for k, v in vars(self).items() if isinstance(v, plain)}
        self.steps_done = 0
        self.seconds = {}
        self.sampler = Sampler(policy, max_new_tokens, temperature)
        self.setup()
        self.optimizer = Adam(learning_rate, epsilon=1e-5, global_clipnorm=1.0)
        self.optimizer.build(self.variables)
        compiled = {"autograph": False, "jit_compile": bool(jit_compile)}
        self._compare = tf.function(self._comparison, **compiled)
        self._update = tf.function(self._one_update, **compiled)
        self._compiled = compiled
        self._what_reward = reward.decides()  # Once: it reads a model's weights.
        self._score_ids = tf.function(
            lambda ids: reward.score_ids(ids, policy.tokenizer),
            input_signature=[tf.TensorSpec((None, None), tf.int32)],
            autograph=False,
        )

    def set_policy(self, weights):
        """Sets the policy's weights."""
        self.policy.set_weights(weights)

    # What a method fills in.

    def setup(self):
        """Creates what the method needs beside the policy."""

    @property
    def variables(self):
        """What the optimizer changes."""
        return self.policy.trainable_variables

    def advantages(self, batch, beta):
        """Returns tensors to add to the batch; runs once, before the updates.

        Args:
            batch: A dict of tensors: `prompt_ids`, `ids`, `mask`, `log_probs` (of
                the policy that sampled), `reference` (the same of the reference),
                all `(batch, length)`, and `scores` and `kl`, `(batch,)`.
            beta: The KL coefficient, a scalar tensor.
        """
        raise NotImplementedError

    def objective(self, batch, log_probs, logits, hidden, beta):
        """Returns the loss, a scalar, and a dict of scalars to report.

        Args:
            batch: The same dict with what `advantages` returned, or a part of its
                rows.
            log_probs, logits, hidden: The policy's as it is now, with gradient.
            beta: The KL coefficient.
        """
        raise NotImplementedError

    # What all share.

    def _as_batch(self, samples, scores):
        """Tensors of a few widths, so that few shapes occur."""
        ids = samples.ids.numpy()
        longest = max(1, int((ids != PAD_ID).sum(axis=1).max()))
        width = min(self.max_new_tokens, -(-longest // WIDTH) * WIDTH)
        prompts = samples.prompt_ids.numpy()
        if prompts.shape[1] > 1:
            wide = prompt_width(prompts.shape[1])
            prompts = np.pad(prompts, [[0, 0], [wide - prompts.shape[1], 0]])
        return {
            "prompt_ids": tf.constant(prompts),
            "ids": tf.constant(ids[:, :width]),
            "mask": tf.cast(samples.mask[:, :width], tf.float32),
            "log_probs": samples.log_probs[:, :width],
            "stopped": samples.ended,
            "scores": tf.cast(scores, tf.float32),
        }

    def _comparison(self, batch, beta):
        """Shapes the scores, asks the reference, and asks the method."""
        mask, scores = batch["mask"], batch["scores"]
        length = tf.reduce_sum(mask, axis=1)
        if self.unfinished_reward is not None:
            scores = tf.where(batch["stopped"], scores, self.unfinished_reward)
        raw = tf.reduce_mean(scores)
        scores -= self.length_penalty * length
        if self.whiten_rewards:
            scores = whiten(scores, shift_mean=False)
        if self.reward_clip is not None:
            scores = tf.clip_by_value(scores, -self.reward_clip, self.reward_clip)
        reference = batch.get("reference")
        if reference is None:
            reference, *_ = completion_log_probs(
                self.reference, batch["prompt_ids"], batch["ids"], self.temperature
            )
        kl = kl_estimate(batch["log_probs"], reference, mask, self.kl_estimator)
        batch = {**batch, "reference": reference, "scores": scores, "kl": kl}
        added = self.advantages(batch, beta)
        tokens = tf.reduce_sum(mask)
        logs = {
            "reward": raw,
            "kl": tf.reduce_mean(kl_estimate(batch["log_probs"], reference, mask)),
            "entropy": -tf.reduce_sum(batch["log_probs"] * mask) / tokens,
            "length": tf.reduce_mean(length),
            "stopped": tf.reduce_mean(tf.cast(batch["stopped"], tf.float32)),
        }
        logs |= {k: v for k, v in added.items() if v.shape.rank == 0}
        return {**batch, **{k: v for k, v in added.items() if v.shape.rank}}, logs

    def _one_update(self, batch, beta):
        with tf.GradientTape() as tape:
            loss, logs = self.whole_objective(batch, *self._forward(batch), beta)
        variables = self.variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss, **logs}

    def _forward(self, batch, model=None):
        model = model or self.policy
        return completion_log_probs(
            model, batch["prompt_ids"], batch["ids"], self.temperature
        )

    def whole_objective(self, batch, log_probs, logits, hidden, beta):
        """The method's objective, less the entropy's bonus; see `objective`."""
        loss, logs = self.objective(batch, log_probs, logits, hidden, beta)
        if self.entropy_coefficient:
            bonus = mean_entropy(logits / self.temperature, batch["mask"])
            loss -= self.entropy_coefficient * bonus
        return loss, logs

    def _parts(self, batch, epoch):
        """The batch, or its rows in parts and in a new order."""
        if self.minibatches == 1:
            yield batch
            return
        order = np.random.default_rng([self.seed, self.steps_done, epoch])
        order = order.permutation(self.batch_size)
        for rows in np.split(order, self.minibatches):
            yield {k: tf.gather(v, rows) for k, v in batch.items()}

    def learn(self, batch, beta):
        """Updates the policy on a batch; returns the updates' reports, in order."""
        reports = []
        for epoch in range(self.epochs):
            for part in self._parts(batch, epoch):
                reports.append(self.update(part, beta))
        return reports

    def step(self):
        """Samples, scores and learns.

        Returns:
            A dict of floats: mean `reward` (before any KL is taken off), `kl` in
            nats a sequence, `entropy` in nats a token, `length` in tokens, share
            `stopped`, `beta`, the mean `loss`, and what the method reports.

        Raises:
            RmkerasError: If the reward fails; the sample is named.
            FloatingPointError: If reward or loss are not finite.
        """
        clock = Clock()
        samples, numbers = self._draw()
        clock("sample", samples.ids)
        scores = tf.convert_to_tensor(self._scores_of_all(samples, numbers))
        clock("score", scores)
        beta = tf.constant(self.kl.value)
        batch = self._with_reference(self._as_batch(samples, scores))
        batch, logs = self._compare(batch, beta)
        clock("compare", logs["kl"])
        reports = self.learn(batch, beta)
        logs = {k: float(v) for k, v in logs.items()}
        logs |= {k: float(np.mean([float(r[k]) for r in reports])) for k in reports[0]}
        clock("update", None)
        self.seconds = clock.seconds
        # The last bits may differ between machines; what decides must not.
        values = self.share.of_chief([np.array(list(logs.values()), "float64")])[0]
        logs = dict(zip(logs, values.tolist(), strict=True))
        logs["beta"] = self.kl.value
        self.steps_done += 1
        wrong = [k for k in ("reward", "loss") if not np.isfinite(logs[k])]
        if wrong:
            raise FloatingPointError(
                f"the {wrong[0]} is {logs[wrong[0]]} at step {self.steps_done}; the "
                "policy has diverged. Go back to the last checkpoint and try a smaller "
                "learning rate or a larger kl_coefficient"
            )
        self.kl.update(logs["kl"], self.batch_size)
        return logs

    # What a run needs to go on where it stopped; see `Resuming`.

    def decides(self):
        """What a run may not change on the way, or it would end elsewhere."""
        return {
            **super().decides(),
            **self._chosen,
            "prompts": digest([self.prompts, self.references]),
            "reward": self._what_reward,
        }

    def state(self):
        """See `Resuming.state`; β and what the reward has learned too."""
        numbers, arrays = super().state()
        return {
            **numbers,
            "beta": self.kl.value,
            "reward": self.reward.state(),
        }, arrays

    def load_state(self, numbers, arrays):
        """Takes back what `state` returned."""
        super().load_state(numbers, arrays)
        self.kl.value = numbers["beta"]
        self.reward.load_state(numbers["reward"])
