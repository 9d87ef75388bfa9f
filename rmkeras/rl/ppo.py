r"""PPO: several small, bounded steps on each batch, with values for every token.

    A_t = Σ_{s≥t} (γλ)^(s−t) δ_s,   δ_t = r_t + γ V_{t+1} − V_t
    L = −mean min(ρ_t A_t, clip(ρ_t, 1 − ε, 1 + ε) A_t) + c · L_value

1. The reward of a token is −β log(π / π_ref) at that token; the score of the text
   is added at its last one, the end-of-text token if there is one.
2. γ = 1 and λ = 0.95; after the last token the value is 0.
3. The value head reads the policy's hidden states and starts at zero.
4. Advantages are whitened over all tokens of the batch: mean 0, deviation 1, with
   the population variance and ε = 1e-8.
5. The policy that sampled is remembered by its log-probabilities, computed by the
   sampler. The first pass therefore has ratios of 1; `ratio`, `clip_fraction` and
   `approximate_kl` show how far later ones go.
6. 4 passes in minibatches, clip 0.2; values are clipped by 0.2 around the old ones
   in units of the return, and count 0.1.
7. In padding log-probabilities are multiplied by the mask on both sides, so the
   ratio there is 1.
8. With one pass, no minibatches and λ = 1 the first gradient is REINFORCE's with a
   learned baseline, but for the whitening.

Source: Schulman et al. (2017); Huang et al. (2024), "The N Implementation Details of
RLHF with PPO".
"""

from __future__ import annotations

import tensorflow as tf

from rmkeras.losses.policy import clipped_policy_loss, clipped_value_loss
from rmkeras.rl.advantages import generalized_advantages, whiten
from rmkeras.rl.completions import completion_log_probs
from rmkeras.rl.online import OnlineTrainer
from rmkeras.rl.values import ValueHead, token_rewards


class PPO(OnlineTrainer):
    """Proximal policy optimisation with a value head on the policy.

    Args:
        policy, reward, **options: See `OnlineTrainer`; 4 `epochs` and 4
            `minibatches` by default.
        clip: ε of the ratio.
        value_clip: ε of the values.
        value_coefficient: Weight of the value loss.
        discount: γ.
        trace: λ.
        whiten_advantages: Whether advantages are whitened.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import PPO
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> trainer = PPO(policy, FunctionReward(lambda t: [len(x) for x in t], "n"),
    ...               batch_size=4, max_new_tokens=5)
    >>> 0 <= trainer.step()["clip_fraction"] <= 1
    True
    """

    def __init__(
        self,
        *args,
        clip=0.2,
        value_clip=0.2,
        value_coefficient=0.1,
        discount=1.0,
        trace=0.95,
        whiten_advantages=True,
        epochs=4,
        minibatches=4,
        **options,
    ):
        self.clip = clip
        self.value_clip = value_clip
        self.value_coefficient = value_coefficient
        self.discount = discount
        self.trace = trace
        self.whiten_advantages = whiten_advantages
        super().__init__(*args, epochs=epochs, minibatches=minibatches, **options)

    def setup(self):
        """Creates the value head."""
        self.values = ValueHead(self.policy)

    @property
    def variables(self):
        """The policy's weights and the value head's."""
        return [*self.policy.trainable_variables, *self.values.trainable_variables]

    def advantages(self, batch, beta):
        """GAE on token rewards, then whitening."""
        mask = batch["mask"]
        _, _, hidden = completion_log_probs(
            self.policy, batch["prompt_ids"], batch["ids"], self.temperature
        )
        values = self.values(hidden) * mask
        advantages, returns = generalized_advantages(
            token_rewards(batch, beta), values, mask, self.discount, self.trace
        )
        # How much of the returns' variance the values explain.
        count = tf.reduce_sum(mask)
        mean = tf.reduce_sum(returns * mask) / count
        spread = tf.reduce_sum((returns - mean) ** 2 * mask)
        left = tf.reduce_sum((returns - values) ** 2 * mask)
        if self.whiten_advantages:
            advantages = whiten(advantages, mask)
        return {
            "advantages": advantages,
            "returns": returns,
            "old_values": values,
            "explained_variance": 1.0 - left / tf.maximum(spread, 1e-8),
        }

    def objective(self, batch, log_probs, logits, hidden, beta):
        """Clipped surrogate plus clipped value error."""
        loss, found = clipped_policy_loss(
            log_probs,
            batch["log_probs"],
            batch["advantages"],
            batch["mask"],
            self.clip,
        )
        error = clipped_value_loss(
            self.values(hidden),
            batch["old_values"],
            batch["returns"],
            batch["mask"],
            self.value_clip,
        )
        return loss + self.value_coefficient * error, {**found, "value_loss": error}
