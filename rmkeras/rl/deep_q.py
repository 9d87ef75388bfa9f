r"""Soft Q-learning on tokens: a target network, a replay buffer, any old samples.

State: the text so far. Action: the next token. With KL control the optimum fulfils

    Q(s, a) = r(s, a) + β log π_ref(a|s) + V(s'),   V(s) = β log Σ_a exp(Q(s, a) / β)
    π(a|s) = exp((Q(s, a) − V(s)) / β)

so a policy and a value are a Q-function: Q(s, a) = β log π(a|s) + V(s). We take just
that: log π from the language model, V from a head on its states. Then the
reference policy with V = 0 is the exact solution where nothing is rewarded, and
with a constant V where all is rewarded alike; learning starts there.

1. The target of n steps, with weights that are a copy from some updates ago (bars):
   y_t = Σ_{k=t}^{t+n−1} [r_k + β log π_ref(a_k)] − Σ_{k=t+1}^{t+n−1} β log π̄(a_k) + V̄(s_{t+n})
   holds on *every* path and for every n, not only on the policy's own, because the
   optimum is consistent along all paths. So old samples are as good as new ones, which
   is what REINFORCE cannot do.
2. After the last token V is 0.
3. Loss: Huber of (Q(s_t, a_t) − y_t) / β, in nats, which one odd score cannot upset.
4. Replay: the last `memory` batches; `updates` minibatches are drawn from them a step.
5. The target network is copied every `copy_every` updates.
6. β must be positive: it is the temperature of the policy.
7. V's gradient reaches the states that it shares with the policy times β. In nats
   V / β is what counts, so unscaled it would weigh 1/β times as much as that of log π:
   with a small β the trunk would learn V alone and forget the language.
8. V starts at the mean score of the first batch; targets are only as good as V.

Source: Watkins (1989); Mnih et al. (2015) for replay and target network; Nachum et al.
(2017), "Bridging the Gap Between Value and Policy Based Reinforcement Learning",
theorem 1; Wang et al. (2016) for taking Q apart.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from rmkeras.rl.completions import completion_log_probs, frozen_copy
from rmkeras.rl.online import OnlineTrainer
from rmkeras.rl.values import ValueHead

KEPT = ("prompt_ids", "ids", "mask", "reference", "scores")


def scale_gradient(x, scale):
    """Returns `x`, whose gradient is multiplied by `scale`.

    Args:
        x: A tensor.
        scale: A number from 0 to 1.

    Returns:
        A tensor equal to `x`.
    """
    return scale * x + tf.stop_gradient((1 - scale) * x)


def soft_q_targets(scores, reference, target_log_probs, target_values, mask, beta, n):
    """The targets y of `SoftQLearning`, detail 1.

    Args:
        scores: `(batch,)`: the rewards, which belong to the last token.
        reference, target_log_probs: `(batch, length)`, of the sampled tokens.
        target_values: `(batch, length)`: V̄ of the text before each token.
        mask: `(batch, length)`, 1 for sampled tokens, which come first.
        beta: β.
        n: Steps to look ahead.

    Returns:
        `(batch, length)`, 0 in padding.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl.deep_q import soft_q_targets
    >>> zero, one = np.zeros((1, 2), "float32"), np.ones((1, 2), "float32")
    >>> soft_q_targets(np.float32([3]), zero, zero, 5 * one, one, 1.0, 1).numpy().tolist()
    [[5.0, 3.0]]
    """
    width = mask.shape[1]
    n = min(n, width)
    steps = tf.range(width)
    gap = steps[:, None] - steps[None, :]  # (k, t)
    length = tf.cast(tf.reduce_sum(mask, axis=1), tf.int32)
    last = tf.one_hot(length - 1, width)
    given = scores[:, None] * last + beta * reference * mask  # (B, L)
    spent = beta * target_log_probs * mask
    within = tf.cast((gap >= 0) & (gap < n), tf.float32)
    after = tf.cast((gap > 0) & (gap < n), tf.float32)
    beyond = tf.pad((target_values * mask)[:, n:], [[0, 0], [0, n]])
    return (given @ within - spent @ after + beyond) * mask


class SoftQLearning(OnlineTrainer):
    """Token-level Q-learning with KL control, off-policy.

    Args:
        policy, reward, **options: See `OnlineTrainer`.
        n: Steps that a target looks ahead; longer carries a reward at the end back
            at once, shorter has less variance.
        memory: Batches in the replay buffer.
        updates: Minibatches learned from a step.
        copy_every: Updates between two copies to the target network.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rewards import FunctionReward
    >>> from rmkeras.rl import SoftQLearning
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> policy = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> trainer = SoftQLearning(policy, FunctionReward(lambda t: [len(x) for x in t]),
    ...                         batch_size=4, max_new_tokens=5)
    >>> trainer.step()["loss"] > 0
    True
    """

    def __init__(
        self,
        *args,
        n=8,
        memory=8,
        updates=4,
        copy_every=8,
        entropy_coefficient=0.0,
        **options,
    ):
        for name, value in (
            ("n", n),
            ("memory", memory),
            ("updates", updates),
            ("copy_every", copy_every),
        ):
            if value < 1:
                raise ValueError(f"{name} is {value}; expected 1 or more")
        if entropy_coefficient:
            raise ValueError("β is the entropy bonus here; leave entropy_coefficient 0")
        self.n = n
        self.memory = memory
        self.updates_per_step = updates
        self.copy_every = copy_every
        super().__init__(*args, **options)
        if self.kl.value <= 0:
            raise ValueError(
                "kl_coefficient is 0; it is the policy's temperature, so it must be "
                "positive"
            )

    def setup(self):
        """Creates the value head, the target network and the replay buffer."""
        self.values = ValueHead(self.policy)
        self.target = frozen_copy(self.policy)
        self.target_values = ValueHead(self.policy)
        self.target_values.trainable = False
        self.replay = []
        self.updates_done = 0

    @property
    def variables(self):
        """The policy's weights and the value head's."""
        return [*self.policy.trainable_variables, *self.values.trainable_variables]

    def advantages(self, batch, beta):
        """Nothing: what an action is worth is asked anew in every update."""
        return {}

    def objective(self, batch, log_probs, logits, hidden, beta):
        """Huber of the temporal-difference error, in nats."""
        mask = batch["mask"]
        theirs, _, target_hidden = completion_log_probs(
            self.target, batch["prompt_ids"], batch["ids"], self.temperature
        )
        y = soft_q_targets(
            batch["scores"],
            batch["reference"],
            theirs,
            self.target_values(target_hidden),
            mask,
            beta,
            self.n,
        )
        values = self.values(scale_gradient(hidden, tf.minimum(beta, 1.0)))
        q = beta * log_probs + values
        error = (q - tf.stop_gradient(y)) / beta * mask  # nats
        size = tf.abs(error)
        huber = tf.where(size < 1.0, 0.5 * error**2, size - 0.5)
        count = tf.reduce_sum(mask)
        mean_value = tf.reduce_sum(values * mask) / count
        found = {"td_error": tf.reduce_sum(size) / count, "value": mean_value}
        return tf.reduce_sum(huber) / count, found

    def learn(self, batch, beta):
        """Remembers the batch, then learns from what is remembered."""
        if not self.steps_done:
            for head in (self.values, self.target_values):
                head.dense.bias.assign([tf.reduce_mean(batch["scores"])])
        self.replay.append({k: batch[k] for k in KEPT})
        del self.replay[: -self.memory]
        generator = np.random.default_rng([self.seed, self.steps_done, 7])
        reports = []
        for i in range(self.updates_per_step):
            # The newest batch is always learned from, the others by chance.
            at = -1 if i == 0 else int(generator.integers(len(self.replay)))
            reports.append(self.update(self.replay[at], beta))
            self.updates_done += 1
            if self.updates_done % self.copy_every == 0:
                self._copy()
        return reports

    def _copy(self):
        pairs = zip(self.target.variables, self.policy.variables, strict=True)
        for theirs, ours in pairs:
            theirs.assign(ours)
        pairs = zip(self.target_values.variables, self.values.variables, strict=True)
        for theirs, ours in pairs:
            theirs.assign(ours)

    def state(self):
        """See `OnlineTrainer.state`; target network and replay buffer too."""
        numbers, arrays = super().state()
        for i, v in enumerate([*self.target.weights, *self.target_values.weights]):
            arrays[f"target_{i}"] = np.array(v)
        for i, batch in enumerate(self.replay):
            arrays |= {f"replay_{i}_{k}": np.array(v) for k, v in batch.items()}
        numbers |= {"updates_done": self.updates_done, "replay": len(self.replay)}
        return numbers, arrays

    def load_state(self, numbers, arrays):
        """Takes back what `state` returned."""
        super().load_state(numbers, arrays)
        for i, v in enumerate([*self.target.weights, *self.target_values.weights]):
            v.assign(arrays[f"target_{i}"])
        self.replay = [
            {k: tf.constant(arrays[f"replay_{i}_{k}"]) for k in KEPT}
            for i in range(numbers["replay"])
        ]
        self.updates_done = numbers["updates_done"]
