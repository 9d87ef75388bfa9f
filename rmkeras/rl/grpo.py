r"""GRPO: PPO's clipped ratio with a group's standard score instead of a value network.

    A_i = (r_i − mean(r_1 … r_k)) / (std(r_1 … r_k) + ε)
    L = −mean[min(ρ_t A_i, clip(ρ_t, 1 − ε, 1 + ε) A_i)] + β KL

1. k ≥ 2 samples a prompt; the standard score says how much better than its
   siblings an answer is. Dividing by the deviation makes prompts on which all
   answers are nearly alike count as much as others (`scale=False` does not).
2. The KL is in the loss and not in the reward, by the estimator k3 = ρ − 1 − log ρ
   with ρ = π_ref / π, which is never negative. It is differentiated at the current
   policy, token by token.
3. What a long answer weighs: `normalizer`. `"sequence"`, as published, averages
   within each answer first, so that a token of a long wrong answer is punished
   less, and length grows; `"token"` averages over all tokens; `"constant"` divides
   by the greatest length and is the plain policy gradient up to a factor.
4. On the first pass over a batch every ratio is 1 and the gradient is that of
   REINFORCE with these advantages; clipping matters from the second on.
5. A group whose answers all score alike teaches nothing: its share is reported as
   `flat`.

Source: Shao et al. (2024), "DeepSeekMath: Pushing the Limits of Mathematical
Reasoning in Open Language Models", equations 3 and 4; Liu et al. (2025).
"""

from __future__ import annotations

import tensorflow as tf

from rmkeras.losses.policy import clipped_policy_loss, masked_average
from rmkeras.rl.advantages import group_advantages
from rmkeras.rl.online import OnlineTrainer


class GRPO(OnlineTrainer):
    """Clipped ratios, group advantages, KL in the loss.

    Args:
        policy, reward, **options: See `OnlineTrainer`; `samples` is 4 by default.
        clip: ε below 1.
        clip_high: ε above 1; `clip` if `None`.
        scale: Whether advantages are divided by the group's deviation.
        normalizer: `"sequence"`, `"token"` or `"constant"`, see `masked_average`.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import GRPO
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> trainer = GRPO(policy, FunctionReward(lambda t: [len(x) for x in t], "n"),
    ...                batch_size=4, max_new_tokens=5, prompts=["a", "good"], samples=2)
    >>> round(trainer.step()["ratio"], 3)
    1.0
    """

    group_samples = 4
    least_group = 2

    def __init__(
        self,
        *args,
        clip=0.2,
        clip_high=None,
        scale=True,
        normalizer="sequence",
        **options,
    ):
        masked_average(tf.ones((1, 1)), tf.ones((1, 1)), normalizer)  # or an error
        self.clip = clip
        self.clip_high = clip_high
        self.scale = scale
        self.normalizer = normalizer
        super().__init__(*args, **options)

    def advantages(self, batch, beta):
        """Standard scores within groups."""
        advantages = group_advantages(batch["scores"], self.samples, self.scale)
        groups = tf.reshape(advantages, (-1, self.samples))
        flat = tf.reduce_all(tf.abs(groups) < 1e-6, axis=1)
        return {
            "advantages": advantages,
            "flat": tf.reduce_mean(tf.cast(flat, tf.float32)),
        }

    def objective(self, batch, log_probs, logits, hidden, beta):
        """Clipped surrogate plus β k3."""
        mask, length = batch["mask"], self.max_new_tokens
        loss, found = clipped_policy_loss(
            log_probs,
            batch["log_probs"],
            batch["advantages"],
            mask,
            self.clip,
            self.clip_high,
            self.normalizer,
        )
        if self.normalizer == "constant":
            # Widths differ from batch to batch; the constant must not.
            loss *= mask.shape[1] / length
        log_ratio = batch["reference"] - log_probs  # (B, L), log ρ
        k3 = tf.exp(log_ratio) - 1.0 - log_ratio
        return loss + beta * masked_average(k3, mask, self.normalizer, length), found
