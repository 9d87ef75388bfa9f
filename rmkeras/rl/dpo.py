r"""DPO: learn from comparisons without a reward model.

The policy that maximises E[r] − β KL(π ‖ π_ref) is π*(y|x) ∝ π_ref(y|x) exp(r / β). Turn
that around: r = β log(π* / π_ref) + β log Z(x). In a comparison of two answers to one
prompt, Z cancels, so the Bradley-Terry likelihood of the comparison is a function of
the policy itself:

    L = −log σ(β [(log π(y⁺) − log π_ref(y⁺)) − (log π(y⁻) − log π_ref(y⁻))])

1. Log-probabilities are sums over the completion's tokens, end-of-text included; the
   prompt has none.
2. Chosen and rejected go through the policy in one pass, dropout off.
3. The reference's log-probabilities never change: offline they are computed once.
4. The loss only widens the gap; both may fall. `chosen_reward` and `rejected_reward`,
   β log(π / π_ref), are reported to see it.
5. If all raters agree on a pair the gap grows for ever; label smoothing and IPO set an
   end to it, see `preference_policy_loss`. So does a share p of raters, fewer than all,
   who preferred the chosen answer: the gap goes to log(p / (1 − p)) / β. A recorded
   margin is taken off β times the gap.
6. Online (`DPO`), the reward picks the best and the worst of k fresh samples of each
   prompt: the comparisons stay near what the policy says now. Ties teach nothing and
   are left out and counted.

Source: Rafailov et al. (2023), "Direct Preference Optimization"; Azar et al. (2023);
Guo et al. (2024), "Direct Language Model Alignment from Online AI Feedback".
"""

from __future__ import annotations

import tensorflow as tf

from rmkeras.losses.policy import preference_policy_loss
from rmkeras.rl.online import OnlineTrainer


def check_pair_options(label_smoothing, kind):
    """Refuses what `preference_policy_loss` does not know, before anything is built.

    Args:
        label_smoothing, kind: See there.

    Raises:
        ValueError: If one of them is wrong.
    """
    one = tf.zeros(1)
    preference_policy_loss(one, one, one, one, 1.0, label_smoothing, kind)


def pair_loss(
    log_probs,
    reference,
    mask,
    weights,
    beta,
    smoothing,
    kind,
    probability=None,
    offset=0.0,
):
    """The weighted loss of rows that alternate between chosen and rejected.

    Args:
        log_probs, reference, mask: `(2 · pairs, length)`.
        weights: `(pairs,)`: 0 for pairs that only fill the batch up.
        beta, smoothing, kind: See `preference_policy_loss`.
        probability: `(pairs,)`: share of raters who preferred the chosen answer; 1 if
            `None`.
        offset: `(pairs,)`, by how much they did, or 0.

    Returns:
        A scalar, and a dict of scalars to report. Right is the answer that more than
        half of the raters preferred; where they are even, or the margin is no more
        than rounding, either side counts half.
    """
    ours = tf.reduce_sum(log_probs * mask, axis=1)
    theirs = tf.reduce_sum(reference * mask, axis=1)
    sides = ours[0::2], ours[1::2], theirs[0::2], theirs[1::2]
    given = 1.0 if probability is None else probability
    loss, margin = preference_policy_loss(*sides, beta, smoothing, kind, given, offset)
    # Before the first update both policies are one, and the margin is what float32
    # rounds off: its sign would differ from one processor to the next.
    rounding = 1e-6 * beta * tf.add_n([tf.abs(side) for side in sides])
    right = tf.where(margin > 0, 1.0, 0.0)
    if probability is not None:
        right = tf.where(probability < 0.5, 1.0 - right, right)
        right = tf.where(probability == 0.5, 0.5, right)
    right = tf.where(tf.abs(margin) <= rounding, 0.5, right)
    count = tf.maximum(tf.reduce_sum(weights), 1.0)

    def mean(values):
        return tf.reduce_sum(values * weights) / count

    rewards = beta * (ours - theirs)
    return mean(loss), {
        "accuracy": mean(right),
        "margin": mean(margin),
        "chosen_reward": mean(rewards[0::2]),
        "rejected_reward": mean(rewards[1::2]),
    }


class DPO(OnlineTrainer):
    """Direct preference optimisation on comparisons that the reward makes.

    Args:
        policy, reward, **options: See `OnlineTrainer`. `kl_coefficient` is β;
            `samples` is 4 by default.
        label_smoothing: Share of comparisons taken to be wrong.
        kind: `"dpo"` or `"ipo"`.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import DPO
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> trainer = DPO(policy, FunctionReward(lambda t: [len(x) for x in t], "n"),
    ...               batch_size=8, max_new_tokens=5, unfinished_reward=None)
    >>> round(trainer.step()["loss"], 4)  # ln 2: policy and reference are the same
    0.6931
    """

    group_samples = 4
    least_group = 2
    row_unit = 2

    def __init__(
        self,
        policy,
        reward,
        *args,
        label_smoothing=0.0,
        kind="dpo",
        samples=None,
        **options,
    ):
        check_pair_options(label_smoothing, kind)
        if samples is None and options.get("prompts") is None:
            samples = self.group_samples
        self.label_smoothing = label_smoothing
        self.kind = kind
        super().__init__(policy, reward, *args, samples=samples, **options)
        if self.kl.value <= 0:
            raise ValueError(
                "kl_coefficient is 0; DPO divides by it, so it must be positive"
            )
        if self.minibatches > 1:
            raise ValueError("minibatches is for single samples; DPO takes pairs")

    def advantages(self, batch, beta):
        """The best and the worst of each group, side by side."""
        scores = tf.reshape(batch["scores"], (-1, self.samples))
        first = tf.range(scores.shape[0]) * self.samples
        best = tf.argmax(scores, axis=1, output_type=tf.int32)
        worst = tf.argmin(scores, axis=1, output_type=tf.int32)
        rows = tf.reshape(tf.stack([first + best, first + worst], axis=1), (-1,))
        differ = tf.reduce_max(scores, axis=1) > tf.reduce_min(scores, axis=1)
        kept = ("prompt_ids", "ids", "mask", "reference", "log_probs")
        return {
            **{k: tf.gather(batch[k], rows) for k in kept},
            "weights": tf.cast(differ, tf.float32),
            "ties": 1.0 - tf.reduce_mean(tf.cast(differ, tf.float32)),
        }

    def objective(self, batch, log_probs, logits, hidden, beta):
        """DPO's or IPO's loss of the pairs."""
        return pair_loss(
            log_probs,
            batch["reference"],
            batch["mask"],
            batch["weights"],
            beta,
            self.label_smoothing,
            self.kind,
        )
