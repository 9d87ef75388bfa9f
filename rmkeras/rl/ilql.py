r"""Offline Q-learning on text (ILQL): better than the data without sampling once.

Behaviour cloning copies the average of its data. Q-learning on the same data can put
the best halves of different texts together. The danger: max_a Q(s, a) asks for actions
that the data never show, whose Q is a guess. So the maximum is replaced by a value V
that is a high expectile of Q over the actions that *are* in the data:

    L_V = |τ − [Q̄ − V < 0]| (Q̄(s, a) − V(s))²,   τ = 0.8; Q̄ = min of two target networks
    L_Q = (r + γ V(s') − Q(s, a))²                for both
    L_CQL = log Σ_a exp Q(s, a) − Q(s, a_data)    lowers what the data do not show
    L = L_Q + L_V + α L_CQL − c log π(a_data|s)    (cloning)

    sampling: softmax(log π(a|s) + b (Q̄(s, a) − V(s)))

1. τ = ½ is the mean, that is, the data's own policy; τ → 1 the maximum.
2. Two Q heads, the smaller counts: a guess that is too high must be so twice.
3. Targets follow by Polyak averaging, a share ρ at each update.
4. The reward belongs to the last token; after it the value is 0.
5. b moves from cloning (0) towards greedy (large); it can be chosen after training.

Source: Snell et al. (2022), "Offline RL for Natural Language Generation with Implicit
Language Q Learning", equations 3 to 6; Kostrikov et al. (2021) for the expectile.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from rmkeras.models.causal_lm import CausalLM
from rmkeras.text.tokenizer import PAD_ID, pad

Q_HEADS = ("q1", "q2", "target1", "target2")


@keras.saving.register_keras_serializable(package="rmkeras")
class ILQLModel(CausalLM):
    """A `CausalLM` with two Q heads, their targets and a value head.

    It samples from softmax(log π + b (Q̄ − V)) wherever a `CausalLM` does.

    Args:
        sharpness: b.
        tokenizer, **options: See `CausalLM`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl import ILQLModel, RandomWalks
    >>> model = ILQLModel(RandomWalks.tokenizer(), dim=8, num_layers=1, num_heads=2,
    ...                   max_length=16)
    >>> model(np.array(model.encode(["ab"]))).shape[-1]
    258
    """

    def __init__(self, tokenizer, sharpness=16.0, **options):
        self._sharpness = sharpness
        super().__init__(tokenizer, **options)

    def build(self, input_shape=None):
        """Creates the weights for ids `(batch, length)`."""
        if self.built:
            return
        width = self.token_width()
        self.heads = {}
        for name in (*Q_HEADS, "value"):
            units = 1 if name == "value" else self.tokenizer.vocabulary_size
            head = keras.layers.Dense(units, dtype="float32", name=name)
            head.build((None, None, width))
            self.heads[name] = head
        for name in ("target1", "target2"):
            self.heads[name].trainable = False
        self.sharpness = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self._sharpness),
            trainable=False,
            name="sharpness",
        )
        super().build(input_shape)

    def token_width(self):
        """Width of the hidden states."""
        return self.encoder.dim

    def cloned_logits(self, hidden):
        """Logits of π, the policy that wrote the data."""
        return super().to_logits(hidden)

    def to_logits(self, hidden, matrix=None):
        """Logits that are sampled from: log π + b (Q̄ − V)."""
        logits = super().to_logits(hidden, matrix)
        hidden = ops.cast(hidden, "float32")
        smaller = ops.minimum(
            self.heads["target1"](hidden), self.heads["target2"](hidden)
        )
        return logits + self.sharpness * (smaller - self.heads["value"](hidden))

    def get_config(self):
        """Returns what rebuilds the model, the tokeniser included."""
        return {**super().get_config(), "sharpness": float(self.sharpness)}


def train_ilql(
    model,
    texts,
    rewards,
    steps=600,
    batch_size=64,
    learning_rate=2e-3,
    discount=0.99,
    expectile=0.8,
    conservatism=0.1,
    cloning=1.0,
    follow=0.05,
    prompt_tokens=0,
    seed=0,
):
    """Trains an `ILQLModel` on texts and their rewards.

    Args:
        model: An `ILQLModel`, changed in place.
        texts: Strings.
        rewards: As many numbers.
        steps: Updates.
        batch_size: Texts an update.
        learning_rate: Adam's peak; it falls to zero.
        discount: γ.
        expectile: τ.
        conservatism: α.
        cloning: c.
        follow: ρ.
        prompt_tokens: Tokens at the beginning of each text, beside the start, that
            were given and not chosen: no value is learned there.
        seed: Decides the order.

    Returns:
        A dict of the means of all losses over the last tenth of the steps.
    """
    rows = model.encode(list(texts))
    rewards = np.asarray(rewards, "float32")
    longest = max(map(len, rows))
    ids = pad(rows, longest)
    heads = model.heads
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.Adam(schedule, epsilon=1e-5, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    for i in (1, 2):
        heads[f"target{i}"].set_weights(heads[f"q{i}"].get_weights())

    @tf.function(autograph=False)
    def update(ids, scores):
        targets = ids[:, 1:]  # (B, L), the actions
        real = tf.cast(targets != PAD_ID, tf.float32)
        mask = real * tf.cast(tf.range(real.shape[1]) >= prompt_tokens, tf.float32)
        last = tf.one_hot(tf.cast(tf.reduce_sum(real, 1), tf.int32) - 1, real.shape[1])
        count = tf.reduce_sum(mask)

        def mean(values):
            return tf.reduce_sum(values * mask) / count

        def of_action(values):
            return tf.gather(values, targets, batch_dims=2)

        with tf.GradientTape() as tape:
            hidden = model.states(ids[:, :-1], training=False)  # (B, L, D)
            value = heads["value"](hidden)[..., 0]
            following = tf.pad((value * real)[:, 1:], [[0, 0], [0, 1]])
            y = tf.stop_gradient(scores[:, None] * last + discount * following)
            smaller = tf.minimum(
                of_action(heads["target1"](hidden)), of_action(heads["target2"](hidden))
            )
            gap = tf.stop_gradient(smaller) - value
            side = tf.where(gap < 0, 1 - expectile, expectile)
            losses = {"value": mean(side * gap**2), "q": 0.0, "cql": 0.0}
            for name in ("q1", "q2"):
                q = heads[name](hidden)
                taken = of_action(q)
                losses["q"] += mean((y - taken) ** 2)
                losses["cql"] += mean(tf.reduce_logsumexp(q, axis=-1) - taken)
            log_p = tf.nn.log_softmax(model.cloned_logits(hidden))
            losses["cloning"] = -mean(of_action(log_p))
            loss = losses["value"] + losses["q"]
            loss += conservatism * losses["cql"] + cloning * losses["cloning"]
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        for i in (1, 2):
            pairs = zip(
                heads[f"target{i}"].variables, heads[f"q{i}"].variables, strict=True
            )
            for theirs, ours in pairs:
                theirs.assign(theirs + follow * (ours - theirs))
        return losses

    generator = np.random.default_rng(seed)
    history = []
    for _ in range(steps):
        rows_now = generator.integers(0, len(ids), batch_size)
        history.append(update(ids[rows_now], rewards[rows_now]))
    tail = history[-max(1, steps // 10) :]
    return {k: float(np.mean([float(h[k]) for h in tail])) for k in tail[0]}
