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
   end to it, see `preference_policy_loss`.
6. Online (`DPO`), the reward picks the best and the worst of k fresh samples of each
   prompt: the comparisons stay near what the policy says now. Ties teach nothing and
   are left out and counted.

Source: Rafailov et al. (2023), "Direct Preference Optimization"; Azar et al. (2023);
Guo et al. (2024), "Direct Language Model Alignment from Online AI Feedback".
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from rmkeras.errors import RmkerasError
from rmkeras.losses.policy import preference_policy_loss
from rmkeras.rl.online import OnlineTrainer, completion_log_probs, frozen_copy
from rmkeras.text.tokenizer import pad


def _pair_loss(log_probs, reference, mask, weights, beta, smoothing, kind):
    """The weighted loss of rows that alternate between chosen and rejected."""
    ours = tf.reduce_sum(log_probs * mask, axis=1)
    theirs = tf.reduce_sum(reference * mask, axis=1)
    loss, margin = preference_policy_loss(
        ours[0::2], ours[1::2], theirs[0::2], theirs[1::2], beta, smoothing, kind
    )
    count = tf.maximum(tf.reduce_sum(weights), 1.0)

    def mean(values):
        return tf.reduce_sum(values * weights) / count

    rewards = beta * (ours - theirs)
    return mean(loss), {
        "accuracy": mean(tf.cast(margin > 0, tf.float32)),
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
        one = tf.zeros(1)
        preference_policy_loss(one, one, one, one, 1.0, label_smoothing, kind)
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
        return _pair_loss(
            log_probs,
            batch["reference"],
            batch["mask"],
            batch["weights"],
            beta,
            self.label_smoothing,
            self.kind,
        )


def train_dpo(
    policy,
    records,
    validation=(),
    epochs=1,
    batch_size=16,
    beta=0.1,
    learning_rate=1e-4,
    label_smoothing=0.0,
    kind="dpo",
    seed=0,
    say=lambda line: None,
):
    """Trains a policy on recorded comparisons.

    Args:
        policy: A language model, changed in place.
        records: `Preference` records.
        validation: Held-out ones to report on after each epoch.
        epochs: Passes; one or two, as comparisons are learned by heart quickly.
        batch_size: Pairs a batch.
        beta: β, the tie to the policy as it is now.
        learning_rate: Adam's.
        label_smoothing, kind: See `preference_policy_loss`.
        seed: Decides the order.
        say: Takes one line about what was cut or left out.

    Returns:
        A history: a dict of lists with a number an epoch: `loss`, `accuracy`,
        `margin`, `chosen_reward`, `rejected_reward`, and the same with `val_`.

    Raises:
        RmkerasError: If no usable pair is left.
    """
    reference = frozen_copy(policy)
    train = _encode_pairs(policy, reference, list(records), batch_size, say)
    held_out = []
    if len(validation):
        held_out = _encode_pairs(policy, reference, list(validation), batch_size, say)
    optimizer = keras.optimizers.Adam(learning_rate, epsilon=1e-5, global_clipnorm=1.0)
    optimizer.build(policy.trainable_variables)

    def loss_of(prompt_ids, ids, mask, theirs, weights):
        log_probs, *_ = completion_log_probs(policy, prompt_ids, ids)
        return _pair_loss(log_probs, theirs, mask, weights, beta, label_smoothing, kind)

    @tf.function(autograph=False)
    def update(*batch):
        with tf.GradientTape() as tape:
            loss, found = loss_of(*batch)
        variables = policy.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss, **found}

    @tf.function(autograph=False)
    def evaluate(*batch):
        loss, found = loss_of(*batch)
        return {"loss": loss, **found}

    history = {}
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(train))
        for prefix, batches, function in (
            ("", [train[i] for i in order], update),
            ("val_", held_out, evaluate),
        ):
            reports = [(function(*batch), batch[-1].sum()) for batch in batches]
            total = sum(count for _, count in reports)
            for key in reports[0][0] if reports else ():
                mean = sum(float(r[key]) * n for r, n in reports) / total
                history.setdefault(prefix + key, []).append(float(mean))
    return history


def _encode_pairs(policy, reference, records, batch_size, say):
    """Batches of pairs, neighbours in length together, the reference's side done."""
    room = policy.max_length + 1
    prompts = policy.encode_prompts([r.prompt or "" for r in records])
    answers = [
        policy.tokenizer.encode([getattr(r, side) for r in records], end=True)
        for side in ("chosen", "rejected")
    ]
    start, rows, same, cut = policy.start_ids, [], 0, 0
    for prompt, chosen, rejected in zip(prompts, *answers, strict=True):
        longest = max(len(chosen), len(rejected))
        left = room - len(start) - longest
        cut += left < len(prompt) - len(start)
        chosen, rejected = (x[: room - len(start)] for x in (chosen, rejected))
        if chosen == rejected:
            same += 1
            continue
        body = prompt[len(start) :]
        rows.append(
            ([*start, *body[max(0, len(body) - max(0, left)) :]], chosen, rejected)
        )
    if not rows:
        raise RmkerasError("no comparison is left to learn from; all are equal")
    if same or cut:
        say(
            f"{cut} pairs were cut to fit {policy.max_length} tokens; {same} whose "
            "answers are then equal are left out"
        )
    rows.sort(key=lambda r: len(r[0]) + max(len(r[1]), len(r[2])))

    @tf.function(autograph=False)
    def log_probs(prompt_ids, ids):
        return completion_log_probs(reference, prompt_ids, ids)[0]

    batches = []
    for first in range(0, len(rows), batch_size):
        part = rows[first : first + batch_size]
        weights = np.zeros(batch_size, "float32")
        weights[: len(part)] = 1.0
        # The last batch is filled up with pairs that count nothing.
        part = part + part[:1] * (batch_size - len(part))
        widths = [
            -(-max(len(x) for r in part for x in r[at]) // 16) * 16
            for at in (slice(0, 1), slice(1, 3))
        ]
        prompt_ids = pad([r[0] for r in part for _ in range(2)], widths[0], left=True)
        ids = pad([x for r in part for x in r[1:]], widths[1])
        mask = (ids != 0).astype("float32")
        theirs = log_probs(tf.constant(prompt_ids), tf.constant(ids)).numpy()
        batches.append((prompt_ids, ids, mask, theirs, weights))
    return batches
