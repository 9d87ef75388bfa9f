r"""REINFORCE: raise the probability of what was rewarded.

We want policy parameters θ with a high expected reward J(θ) = E_{x∼π_θ}[R(x)].
The reward cannot be differentiated: it is a person, a rule or a model that reads
finished text, and drawing a token has no gradient. But the *probability* of what
was drawn has one:

    ∇J = Σ_x R(x) ∇π(x) = Σ_x π(x) R(x) ∇log π(x) = E[R(x) ∇log π(x)]

so an average over samples estimates it. These details make it work:

1. Baseline. E[∇log π(x)] = 0, so any b that does not depend on x may be taken off:
   E[(R(x) − b) ∇log π(x)] = ∇J. By default b is the mean reward of the *other*
   samples in the batch: it tracks the reward as it rises, and leaves the estimate
   unbiased (the mean of all samples, x's own included, would shrink it by 1 − 1/n).
   A moving average of past batches does as well and lags behind; a learned
   baseline V(s_t), a linear head on the policy's hidden states, knows the text so
   far.
2. KL. The reward model knows nothing about text that nobody writes, and a policy
   finds such text. So straying from the model we started from costs:
   R(x) = r(x) − β log(π_θ(x) / π_ref(x)), whose second term is β KL on average.
   The log-ratio is part of the reward, a constant for the gradient: its own
   gradient has expectation zero, as in 1.
3. Rewards to go. The score belongs to the last token, the KL to each. Token t
   cannot change what came before it, so it may be weighed by
   G_t = Σ_{s≥t} γ^(s−t) r_s − b alone. With γ = 1 the expectation is the same, with
   less variance; γ < 1 prefers reward that comes soon, that is, short texts.
4. One policy. Samples are drawn plainly (no top-k, no temperature) with dropout
   off, so that the log-probabilities differentiated are those sampled from.

Source: Williams (1992); Kool, van Hoof and Welling (2019) for the baseline;
Ziegler et al. (2019), equation 2, for the KL.
"""

from __future__ import annotations

import tensorflow as tf

from rmkeras.losses.policy import clipped_value_loss, masked_average, reinforce_loss
from rmkeras.rl.advantages import leave_one_out_baseline, rewards_to_go
from rmkeras.rl.completions import completion_log_probs
from rmkeras.rl.online import OnlineTrainer
from rmkeras.rl.values import ValueHead, token_rewards

BASELINES = ("none", "moving-average", "batch", "learned")


class Reinforce(OnlineTrainer):
    """Samples, scores, compares with a baseline, updates.

    Args:
        policy, reward, **options: See `OnlineTrainer`.
        baseline: `"batch"` (mean of the other samples), `"moving-average"`,
            `"learned"` or `"none"`.
        discount: γ; if below 1, or with a learned baseline, each token is weighed
            by its own reward to go.
        to_go: Whether each token is weighed by its reward to go even if γ is 1.
        memory: Share of the past in the moving average.
        value_coefficient: Weight of the learned baseline's squared error.

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
    ['baseline', 'beta', 'entropy', 'kl', 'length', 'loss', 'reward', 'stopped']
    """

    def __init__(
        self,
        policy,
        reward,
        batch_size=64,
        *args,
        baseline="batch",
        discount=1.0,
        to_go=False,
        memory=0.9,
        value_coefficient=0.1,
        **options,
    ):
        if baseline not in BASELINES:
            raise ValueError(
                f"baseline is {baseline!r}; expected one of {', '.join(BASELINES)}"
            )
        if baseline == "batch" and batch_size < 2:
            raise ValueError(
                f"batch_size is {batch_size}; the baseline of a sample is the mean of "
                "the others, so at least 2 are needed"
            )
        if not 0 < discount <= 1:
            raise ValueError(f"discount is {discount}; expected above 0 and at most 1")
        self.baseline = baseline
        self.discount = discount
        self.to_go = to_go or discount < 1 or baseline == "learned"
        self.memory = memory
        self.value_coefficient = value_coefficient
        super().__init__(policy, reward, batch_size, *args, **options)

    def setup(self):
        """Creates the learned baseline, or the average to remember."""
        self.values = None
        if self.baseline == "learned":
            self.values = ValueHead(self.policy)
        # The mean of nothing yet: the first batch sets it.
        self.average = tf.Variable([0.0, 0.0], trainable=False)

    @property
    def variables(self):
        """The policy's weights, and the learned baseline's."""
        own = [] if self.values is None else self.values.trainable_variables
        return [*self.policy.trainable_variables, *own]

    def advantages(self, batch, beta):
        """R − b for each sample, or G_t − b_t for each token."""
        rewards = batch["scores"] - beta * batch["kl"]  # (B,)
        each = rewards
        if self.to_go:
            each = rewards_to_go(token_rewards(batch, beta), self.discount)  # (B, L)
        if self.baseline == "learned":
            _, _, hidden = completion_log_probs(
                self.policy, batch["prompt_ids"], batch["ids"], self.temperature
            )
            values = self.values(hidden) * batch["mask"]  # (B, L)
            mean = masked_average(values, batch["mask"])
            return {
                "advantages": each - values,
                "returns": each,
                "old_values": values,
                "baseline": mean,
            }
        if self.baseline == "batch":
            baseline = leave_one_out_baseline(rewards)
        elif self.baseline == "moving-average":
            before, known = self.average[0], self.average[1]
            mean = tf.reduce_mean(rewards)
            share = self.memory * known
            self.average.assign([share * before + (1 - share) * mean, 1.0])
            # The first batch has only 0: its own mean would bias it.
            baseline = tf.zeros_like(rewards) + before
        else:
            baseline = tf.zeros_like(rewards)
        mean = tf.reduce_mean(baseline)
        if self.to_go:
            baseline = baseline[:, None]
        return {"advantages": each - baseline, "baseline": mean}

    def objective(self, batch, log_probs, logits, hidden, beta):
        """−Σ (R − b) log π, averaged over samples."""
        loss = reinforce_loss(log_probs, batch["advantages"], batch["mask"])
        if self.values is not None:
            # Through the head alone: the baseline must not bend the policy.
            values = self.values(tf.stop_gradient(hidden))
            error = clipped_value_loss(
                values, batch["old_values"], batch["returns"], batch["mask"], clip=None
            )
            loss += self.value_coefficient * error
        return loss, {}

    def state(self):
        """See `OnlineTrainer.state`; the moving average too."""
        numbers, arrays = super().state()
        return {**numbers, "average": self.average.numpy().tolist()}, arrays

    def load_state(self, numbers, arrays):
        """Takes back what `state` returned."""
        super().load_state(numbers, arrays)
        self.average.assign(numbers["average"])
