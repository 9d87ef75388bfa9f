"""What all online methods share: sample, score, compare with the reference, update."""

from __future__ import annotations

import time

import keras
import numpy as np
import tensorflow as tf

from rmkeras.errors import RmkerasError
from rmkeras.layers.fused import WIDE
from rmkeras.losses.policy import kl_estimate, token_log_probabilities
from rmkeras.models.causal_lm import CausalLM
from rmkeras.rl.advantages import whiten
from rmkeras.rl.kl_control import AdaptiveKL, FixedKL
from rmkeras.rl.sampler import Sampler
from rmkeras.text.tokenizer import PAD_ID

WIDTH = 16
"""Prompts and completions are padded to multiples of this, so that few shapes occur."""


def frozen_copy(model):
    """A second model with the same weights, not trainable: the reference.

    Args:
        model: A built language model.

    Returns:
        A model of the same class.
    """
    copy = model.__class__.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    copy.trainable = False
    return copy


def completion_log_probs(model, prompt_ids, ids, temperature=1.0):
    """Log-probabilities of completions, and what they were computed from.

    Args:
        model: A language model.
        prompt_ids: `(batch, prompt)`, padded on the left.
        ids: `(batch, length)`, padded on the right.
        temperature: The temperature they were sampled at.

    Returns:
        `(batch, length)` log-probabilities, `(batch, length, vocabulary)` logits
        and `(batch, length, dim)` hidden states.
    """
    hidden = model.completion_states(prompt_ids, ids)
    logits = model.to_logits(hidden)
    return token_log_probabilities(logits, ids, temperature), logits, hidden


def mean_entropy(logits, mask):
    """Mean entropy of the next token's distribution, in nats.

    Args:
        logits: `(batch, length, vocabulary)`.
        mask: `(batch, length)`.

    Returns:
        A scalar.
    """
    log_p = tf.nn.log_softmax(logits)
    # Where p is 0, log p is −∞ or nearly so; 0 · log 0 counts as 0.
    entropy = -tf.reduce_sum(tf.exp(log_p) * tf.maximum(log_p, -1e4), axis=-1)
    return tf.reduce_sum(entropy * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)


class OnlineTrainer:
    """Samples from the policy, scores the samples and learns from them.

    A method says in `advantages` what a sample was worth, and in `objective` what
    to descend. All else is here and the same for all, with these details:

    1. Samples are drawn plainly, without top-k, top-p or least length: a cut
       distribution is not π, and the KL computed from it can turn negative.
    2. Log-probabilities are those at the sampling temperature, with dropout off.
    3. A text that never ends gets a fixed score; the prompt is not looked at.
    4. A text's end is found from what was sampled, never from the padding id.
    5. Adam's ε is 1e-5; gradients are clipped by their global norm.
    6. No two steps, and no two rows, draw the same random numbers.

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
        jit_compile: Whether XLA compiles comparison and update as a whole: some
            20 % faster, for seconds of compilation whenever a width is new.
            `"auto"`: for Transformers of width 256 and more.

    Attributes:
        seconds: What each phase of the last step took.
        kl: The KL controller; `kl.value` is β.
    """

    group_samples = 1  # completions a prompt, unless the user says otherwise
    least_group = 1

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
        jit_compile="auto",
    ):
        self.samples = self._checked_samples(batch_size, samples, prompts)
        if batch_size % minibatches:
            raise ValueError(
                f"batch_size is {batch_size} and cannot be divided into {minibatches} "
                "minibatches of one size"
            )
        if prompts is not None and not len(prompts):
            raise ValueError("there are no prompts; give one or more, or None")
        if references is not None and len(references) != len(prompts or ()):
            raise ValueError(
                f"there are {len(prompts or ())} prompts and {len(references)} "
                "references; expected as many of both"
            )
        for need in reward.needs:
            given = prompts if need == "prompts" else references
            if given is None:
                raise RmkerasError(
                    f"the reward {reward.name} needs {need} and there are none; give "
                    "a file with the fields prompt and completion"
                )
        self.policy = policy
        self.reward = reward
        self.batch_size = batch_size
        self.max_new_tokens = max_new_tokens
        self.unfinished_reward = unfinished_reward
        self.reference = frozen_copy(policy) if reference is None else reference
        self.seed = seed
        self.prompts = None if prompts is None else list(prompts)
        self.references = None if references is None else list(references)
        self._rows = None if prompts is None else policy.encode_prompts(self.prompts)
        longest = max(map(len, self._rows or [policy.start_ids])) + max_new_tokens
        if longest > policy.max_length + 1:
            raise ValueError(
                f"prompt and completion may take {longest - 1} tokens and the policy "
                f"has {policy.max_length} positions; shorten the prompts or "
                "max_new_tokens"
            )
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
        self.steps_done = 0
        self.seconds = {}
        self.sampler = Sampler(policy, max_new_tokens, temperature)
        self.setup()
        self.optimizer = keras.optimizers.Adam(
            learning_rate, epsilon=1e-5, global_clipnorm=1.0
        )
        self.optimizer.build(self.variables)
        if jit_compile == "auto":
            wide = policy.token_table.shape[-1] >= WIDE
            jit_compile = wide and isinstance(policy, CausalLM)
        compiled = {"autograph": False, "jit_compile": bool(jit_compile)}
        self._compare = tf.function(self._comparison, **compiled)
        self._update = tf.function(self._one_update, **compiled)
        self._score_ids = tf.function(
            lambda ids: reward.score_ids(ids, policy.tokenizer),
            input_signature=[tf.TensorSpec((None, None), tf.int32)],
            autograph=False,
        )

    def _checked_samples(self, batch_size, samples, prompts):
        if samples is None:
            samples = batch_size if prompts is None else self.group_samples
        if batch_size % samples:
            raise ValueError(
                f"batch_size is {batch_size} and cannot be divided into groups of "
                f"{samples} samples"
            )
        if prompts is None and self.least_group == 1:
            return batch_size
        if samples < self.least_group:
            raise ValueError(
                f"samples is {samples}; this method compares the samples of one "
                f"prompt, so at least {self.least_group} are needed"
            )
        return samples

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

    def _next_prompts(self):
        """Numbers of this step's prompts: every epoch each once, in a new order."""
        count, size = len(self.prompts), self.batch_size // self.samples
        first = self.steps_done * size
        numbers = []
        for i in range(first, first + size):
            order = np.random.default_rng([self.seed, i // count]).permutation(count)
            numbers.append(int(order[i % count]))
        return numbers

    def _draw(self):
        if self.prompts is None:
            first = self.steps_done * self.batch_size
            samples = self.sampler(None, self.batch_size, self.seed, first_row=first)
            return samples, None
        numbers = self._next_prompts()
        samples = self.sampler(
            [self._rows[i] for i in numbers],
            seed=self.seed,
            samples=self.samples,
            first_row=self.steps_done * len(numbers),
        )
        return samples, np.repeat(numbers, self.samples)

    def _scores(self, samples, numbers):
        tokenizer = self.policy.tokenizer
        if not self.reward.needs and self.reward.in_graph(tokenizer):
            return self._score_ids(samples.ids)
        texts = tokenizer.decode(samples.ids.numpy())
        prompts = references = None
        if numbers is not None:
            prompts = [self.prompts[i] for i in numbers]
            if self.references is not None:
                references = [self.references[i] for i in numbers]
        return self.reward(texts, prompts, references)

    def _as_batch(self, samples, scores):
        """Tensors whose widths are multiples of 16, so that few shapes occur."""
        ids = samples.ids.numpy()
        longest = max(1, int((ids != PAD_ID).sum(axis=1).max()))
        width = min(self.max_new_tokens, -(-longest // WIDTH) * WIDTH)
        prompts = samples.prompt_ids.numpy()
        if prompts.shape[1] > 1:
            wide = -(-prompts.shape[1] // WIDTH) * WIDTH
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
            log_probs, logits, hidden = completion_log_probs(
                self.policy, batch["prompt_ids"], batch["ids"], self.temperature
            )
            loss, logs = self.objective(batch, log_probs, logits, hidden, beta)
            if self.entropy_coefficient:
                bonus = mean_entropy(logits / self.temperature, batch["mask"])
                loss -= self.entropy_coefficient * bonus
        variables = self.variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss, **logs}

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
                reports.append(self._update(part, beta))
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
        clock = _Clock()
        samples, numbers = self._draw()
        clock("sample", samples.ids)
        scores = tf.convert_to_tensor(self._scores(samples, numbers))
        clock("score", scores)
        beta = tf.constant(self.kl.value)
        batch, logs = self._compare(self._as_batch(samples, scores), beta)
        clock("compare", logs["kl"])
        reports = self.learn(batch, beta)
        logs = {k: float(v) for k, v in logs.items()}
        logs |= {k: float(np.mean([float(r[k]) for r in reports])) for k in reports[0]}
        clock("update", None)
        self.seconds = clock.seconds
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

    # What a run needs to go on where it stopped.

    def state(self):
        """Returns numbers for JSON and arrays, which `load_state` takes back.

        The policy's weights are not among them: they are saved as a model.
        """
        arrays = {f"optimizer_{i}": v for i, v in enumerate(self.optimizer.variables)}
        known = {id(v) for v in self.policy.trainable_variables}
        own = [v for v in self.variables if id(v) not in known]
        arrays |= {f"own_{i}": v for i, v in enumerate(own)}
        arrays = {k: keras.ops.convert_to_numpy(v) for k, v in arrays.items()}
        numbers = {
            "steps_done": self.steps_done,
            "beta": self.kl.value,
            "reward": self.reward.state(),
        }
        return numbers, arrays

    def load_state(self, numbers, arrays):
        """Takes back what `state` returned."""
        self.steps_done = numbers["steps_done"]
        self.kl.value = numbers["beta"]
        self.reward.load_state(numbers["reward"])
        for i, variable in enumerate(self.optimizer.variables):
            variable.assign(arrays[f"optimizer_{i}"])
        known = {id(v) for v in self.policy.trainable_variables}
        own = [v for v in self.variables if id(v) not in known]
        for i, variable in enumerate(own):
            variable.assign(arrays[f"own_{i}"])


class _Clock:
    """Seconds by phase; waits for the phase's result, so that it counts there."""

    def __init__(self):
        self.seconds, self.last = {}, time.perf_counter()

    def __call__(self, phase, result):
        if result is not None:
            result.numpy()
        now = time.perf_counter()
        self.seconds[phase] = now - self.last
        self.last = now
