"""What a policy says now: a few samples with always the same dice, and their numbers."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from rmkeras.losses.policy import kl_estimate
from rmkeras.metrics import distinct_n
from rmkeras.rl.completions import completion_log_probs
from rmkeras.rl.sampler import Sampler

LOOK_SEED = 999
"""Added to the run's seed for looks: always the same dice, never those of training."""


def _reference_log_probs(model, prompt_ids, ids):
    return completion_log_probs(model, prompt_ids, ids)[0]


class Look:
    """Samples from a policy with always the same dice, and measures the samples.

    Args:
        trainer: An `OnlineTrainer`, or an `OfflineTrainer`, which may have no reward;
            then its own idea of what its samples are worth is shown.
        samples: Number of samples.
        prompts: Strings to go on from, held-out ones if there are any; the
            trainer's own if `None`.
        references: As many strings.
        judge: A `Reward` that the policy was not trained on, if there is one.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import Look, Reinforce
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> reward = FunctionReward(lambda texts: [len(t) for t in texts], "length")
    >>> look = Look(Reinforce(policy, reward, max_new_tokens=5), samples=4)
    >>> found, rows = look()
    >>> sorted(found), len(rows)
    (['distinct2', 'kl', 'length', 'reward', 'stopped'], 4)
    """

    def __init__(self, trainer, samples=64, prompts=None, references=None, judge=None):
        if prompts is None:
            prompts, references = trainer.prompts, trainer.references
        self.trainer = trainer
        self.judge = judge
        self.sampler = Sampler(trainer.policy, trainer.max_new_tokens)
        numbers = [i % len(prompts) for i in range(samples)] if prompts else None
        self.count = samples
        self.prompts = numbers and [prompts[i] for i in numbers]
        self.references = references and [references[i] for i in numbers]
        self._log_probs = None

    def __call__(self):
        """Looks.

        Returns:
            A dict of `reward`, `kl` (nats a sequence, k1), `distinct2`, `length`,
            `stopped` and, if there is one, `judge`; and the list of samples, a
            dict each.
        """
        trainer = self.trainer
        if self._log_probs is None:
            self._log_probs = tf.function(_reference_log_probs, autograph=False)
        drawn = self.sampler(self.prompts, self.count, trainer.seed + LOOK_SEED)
        texts = trainer.policy.tokenizer.decode(drawn.ids.numpy())
        reference = self._log_probs(trainer.reference, drawn.prompt_ids, drawn.ids)
        kl = kl_estimate(drawn.log_probs, reference, drawn.mask)
        if trainer.reward is None:
            rewards = np.asarray(trainer.own_rewards(drawn, kl))
        else:
            # Measuring must not change what training goes on with, or `every` and the
            # held-out prompts would decide its result.
            with trainer.reward.at_rest() as reward:
                rewards = reward(texts, self.prompts, self.references)
        found = {
            "reward": float(rewards.mean()),
            "kl": float(np.mean(kl)),
            "distinct2": distinct_n(texts, 2),
            "length": float(np.sum(drawn.mask) / self.count),
            "stopped": float(np.mean(drawn.ended)),
        }
        rows = [
            {"prompt": p, "completion": t, "reward": round(float(r), 4)}
            for p, t, r in zip(
                self.prompts or [""] * len(texts), texts, rewards, strict=True
            )
        ]
        if self.judge is not None:
            judged = self.judge(texts, self.prompts, self.references)
            found["judge"] = float(judged.mean())
            for row, score in zip(rows, judged, strict=True):
                row["judge"] = round(float(score), 4)
        return found, rows
