r"""Rejection-sampling fine-tuning: imitate the best of your own answers.

Draw k answers to each prompt, keep the best, and do supervised fine-tuning on them:

    L = −1/T Σ_i w_i Σ_t log π(x_it),   w_i = 1 if x_i is the best of its group

1. It is REINFORCE with a reward of 0 or 1 and no baseline: an answer is never made
   less likely for its own sake, only by the rise of others. That makes it slow and
   hard to break.
2. The best of k, repeated, strays as far as best-of-n does and further, round by
   round; so the KL is reported as everywhere. β does nothing here: the tie to the
   reference is k, the learning rate and when to stop.
3. Every token of the chosen answers counts alike.

Source: Dong et al. (2023), "RAFT: Reward rAnked FineTuning"; Touvron et al. (2023),
"Llama 2", section 3.2.3.
"""

from __future__ import annotations

import tensorflow as tf

from rmkeras.losses.policy import masked_average
from rmkeras.rl.online import OnlineTrainer


class RejectionSampling(OnlineTrainer):
    """Supervised fine-tuning on the best of k samples.

    Args:
        policy, reward, **options: See `OnlineTrainer`; `samples` is 4 by default.
        keep: How many of each group are kept.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import RejectionSampling
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> trainer = RejectionSampling(
    ...     policy, FunctionReward(lambda t: [len(x) for x in t], "n"),
    ...     batch_size=4, max_new_tokens=5, samples=2)
    >>> logs = trainer.step()
    >>> logs["kept_reward"] >= logs["reward"]
    True
    """

    group_samples = 4
    least_group = 2

    def __init__(self, policy, reward, *args, keep=1, samples=None, **options):
        if samples is None and options.get("prompts") is None:
            # One group over the whole batch would leave a single text to imitate.
            samples = self.group_samples
        self.keep = keep
        super().__init__(policy, reward, *args, samples=samples, **options)
        if not 1 <= keep < self.samples:
            raise ValueError(
                f"keep is {keep}; expected 1 or more and fewer than the "
                f"{self.samples} samples of a group"
            )

    def advantages(self, batch, beta):
        """1 for the best of each group, 0 for the others; the first of equals."""
        table = tf.reshape(batch["scores"], (-1, self.samples))
        best = tf.math.top_k(table, self.keep).indices  # (G, keep)
        chosen = tf.reduce_max(tf.one_hot(best, self.samples), axis=1)  # (G, K)
        chosen = tf.reshape(chosen, (-1,))
        kept = tf.reduce_sum(batch["scores"] * chosen) / tf.reduce_sum(chosen)
        return {"advantages": chosen, "kept_reward": kept}

    def objective(self, batch, log_probs, logits, hidden, beta):
        """Cross-entropy on what was kept."""
        mask = batch["mask"] * batch["advantages"][:, None]
        return -masked_average(log_probs, mask), {}
