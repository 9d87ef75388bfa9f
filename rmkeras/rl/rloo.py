r"""RLOO: REINFORCE whose baseline is the other answers to the same prompt.

    ∇J ≈ 1/k Σ_i (R(x_i) − 1/(k−1) Σ_{j≠i} R(x_j)) ∇log π(x_i)

Some prompts are easy and some are hard; a baseline over the whole batch calls every
answer to an easy prompt good. The mean of the other answers to the *same* prompt
estimates what this prompt gives anyway, needs no value network, and leaves the
gradient unbiased, because x_j does not depend on x_i.

1. k ≥ 2 samples a prompt; their rewards side by side.
2. R contains the KL of the whole text: R = r − β log(π / π_ref), as in REINFORCE.
3. The whole text is one action: its log-probability is the *sum* over tokens, every
   token gets the same advantage, and there is no discounting.
4. With one group over the whole batch it is `Reinforce` with its default baseline.
5. With several passes over a batch (`epochs`) the ratio of the sequence,
   π_θ(x) / π_old(x), corrects for the policy having moved, clipped as in PPO.

Source: Ahmadian et al. (2024), "Back to Basics: Revisiting REINFORCE Style
Optimization for Learning from Human Feedback in LLMs", equation 9; Kool et al. (2019).
"""

from __future__ import annotations

import tensorflow as tf

from rmkeras.losses.policy import clipped_policy_loss, reinforce_loss
from rmkeras.rl.advantages import leave_one_out_baseline
from rmkeras.rl.online import OnlineTrainer


class RLOO(OnlineTrainer):
    """REINFORCE with a leave-one-out baseline a prompt.

    Args:
        policy, reward, **options: See `OnlineTrainer`; `samples` is 4 by default.
        clip: ε of the sequence ratio, if a batch is used more than once.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import RLOO
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> trainer = RLOO(policy, FunctionReward(lambda t: [len(x) for x in t], "n"),
    ...                batch_size=4, max_new_tokens=5, prompts=["a", "good"], samples=2)
    >>> trainer.step()["length"] > 0
    True
    """

    group_samples = 4
    least_group = 2

    def __init__(self, *args, clip=0.2, **options):
        self.clip = clip
        super().__init__(*args, **options)

    def advantages(self, batch, beta):
        """R minus the mean of the others in the group."""
        rewards = batch["scores"] - beta * batch["kl"]
        baseline = leave_one_out_baseline(rewards, self.samples)
        return {
            "advantages": rewards - baseline,
            "baseline": tf.reduce_mean(baseline),
        }

    def objective(self, batch, log_probs, logits, hidden, beta):
        """−A log π(x); with old samples, −min(ρ A, clip(ρ) A) of the sequence."""
        mask = batch["mask"]
        if self.epochs == 1 and self.minibatches == 1:
            return reinforce_loss(log_probs, batch["advantages"], mask), {}
        new, old = (
            tf.reduce_sum(x * mask, axis=1, keepdims=True)
            for x in (log_probs, batch["log_probs"])
        )
        return clipped_policy_loss(
            new, old, batch["advantages"], tf.ones_like(new), self.clip
        )
