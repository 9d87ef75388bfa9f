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

from rmkeras.data.encode import truncate_pair
from rmkeras.distribute.same_run import digest
from rmkeras.models.ilql_model import ILQLModel
from rmkeras.rl.completions import frozen_copy
from rmkeras.rl.offline import OfflineTrainer
from rmkeras.text.tokenizer import PAD_ID, pad

__all__ = ["ILQL", "ILQLModel", "train_ilql"]


class ILQL(OfflineTrainer):
    """Offline Q-learning on texts and their rewards.

    Args:
        model: An `ILQLModel`, changed in place.
        texts: Strings.
        rewards: As many numbers.
        steps: Updates.
        batch_size: Texts an update, drawn with replacement.
        learning_rate: Adam's peak; it falls to zero.
        discount: γ.
        expectile: τ.
        conservatism: α.
        cloning: c.
        follow: ρ.
        prompt_tokens: Tokens at the beginning of each text, beside the start, that
            were given and not chosen: no value is learned there.
        prompts: Strings, one a text, that stand before it; instead of
            `prompt_tokens`. A prompt that is too long loses its beginning.
        seed: Decides the order.
        reference: Where a `Look` measures the KL from; a frozen copy of the model as
            it is now if `None`.

    Raises:
        ValueError: If an option is out of range, or texts and rewards do not match.

    Example:

    >>> from rmkeras.models import ILQLModel
    >>> from rmkeras.rl import ILQL, RandomWalks
    >>> model = ILQLModel(RandomWalks.tokenizer(), dim=8, num_layers=1, num_heads=2,
    ...                   max_length=16)
    >>> trainer = ILQL(model, ["ab", "ac"], [1.0, 0.0], steps=2, batch_size=2)
    >>> sorted(trainer.step())
    ['cloning', 'cql', 'loss', 'q', 'value']
    """

    def __init__(
        self,
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
        prompts=None,
        seed=0,
        reference=None,
    ):
        texts, rewards = list(texts), np.asarray(rewards, "float32")
        _check(texts, rewards, prompts, discount, expectile, follow)
        self.steps = steps
        schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
        reference = frozen_copy(model) if reference is None else reference
        super().__init__(model, reference, schedule, seed)
        if prompts is None:
            rows = model.encode(texts)
            whole = map(len, model.encode(texts, cut=False))
            self.cut = sum(len(r) < n for r, n in zip(rows, whole, strict=True))
            given = np.full(len(rows), prompt_tokens)
        else:
            rows, given, self.cut = _after_prompts(model, list(prompts), texts)
        self._ids = pad(rows, max(map(len, rows)))
        self._given, self._rewards = given.astype("int32"), rewards
        self._batch_size = batch_size
        self._generator = np.random.default_rng(seed)
        self._decides = {
            "seed": seed,
            "batch_size": batch_size,
            "steps": steps,
            "learning_rate": learning_rate,
            "discount": discount,
            "expectile": expectile,
            "conservatism": conservatism,
            "cloning": cloning,
            "follow": follow,
            "data": digest([rows, given.tolist(), rewards.tolist()]),
        }
        heads = model.heads
        for i in (1, 2):
            heads[f"target{i}"].set_weights(heads[f"q{i}"].get_weights())

        @tf.function(autograph=False)
        def update(ids, scores, given):
            targets = ids[:, 1:]  # (B, L), the actions
            real = tf.cast(targets != PAD_ID, tf.float32)
            width = real.shape[1]
            chosen = tf.cast(tf.range(width) >= given[:, None], tf.float32)
            mask = real * chosen
            last = tf.one_hot(tf.cast(tf.reduce_sum(real, 1), tf.int32) - 1, width)
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
                gap = tf.stop_gradient(of_action(model.smaller_q(hidden))) - value
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
            variables = self.variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
            for i in (1, 2):
                pairs = zip(
                    heads[f"target{i}"].variables, heads[f"q{i}"].variables, strict=True
                )
                for theirs, ours in pairs:
                    theirs.assign(theirs + follow * (ours - theirs))
            return {"loss": loss, **losses}

        self._update = update

    def _rows(self):
        return self._generator.integers(0, len(self._ids), self._batch_size)

    def update(self):
        """Learns from texts drawn from the data."""
        rows = self._rows()
        logs = self._update(self._ids[rows], self._rewards[rows], self._given[rows])
        return {key: float(value) for key, value in logs.items()}

    def own_rewards(self, drawn, log_ratio):
        """Q̄ of the last token, which is what the text's reward was learned as."""
        hidden = self.policy.completion_states(drawn.prompt_ids, drawn.ids)
        q = tf.gather(self.policy.smaller_q(hidden), drawn.ids, batch_dims=2)
        last = tf.reduce_sum(tf.cast(drawn.mask, tf.int32), axis=1) - 1
        return tf.gather(q, last, batch_dims=1).numpy()

    def decides(self):
        """See `Resuming`; the data and all options: the learning rate's path too."""
        return {**super().decides(), **self._decides}

    def load_state(self, numbers, arrays):
        """Takes back what `state` returned."""
        super().load_state(numbers, arrays)
        self._generator = np.random.default_rng(self.seed)
        for _ in range(self.steps_done):
            self._rows()


def train_ilql(model, texts, rewards, **options):
    """Trains an `ILQLModel` from the first to the last step.

    Args:
        model, texts, rewards, **options: See `ILQL`.

    Returns:
        A dict of the means of all losses over the last tenth of the steps.

    Example:

    >>> from rmkeras.rl import ILQLModel, RandomWalks, train_ilql
    >>> model = ILQLModel(RandomWalks.tokenizer(), dim=8, num_layers=1, num_heads=2,
    ...                   max_length=16)
    >>> sorted(train_ilql(model, ["ab", "ac"], [1.0, 0.0], steps=2, batch_size=2))
    ['cloning', 'cql', 'q', 'value']
    """
    trainer = ILQL(model, texts, rewards, **options)
    return last_losses([trainer.step() for _ in range(trainer.steps)])


def last_losses(logs):
    """Means over the last tenth of the steps.

    Args:
        logs: What `ILQL.step` returned, a list.

    Returns:
        A dict of floats: `value`, `q`, `cql` and `cloning`.
    """
    tail = logs[-max(1, len(logs) // 10) :]
    names = ("value", "q", "cql", "cloning")
    return {k: float(np.mean([step[k] for step in tail])) for k in names}


def _check(texts, rewards, prompts, discount, expectile, follow):
    if not texts:
        raise ValueError("there are no texts to learn from; expected at least one")
    for name, count in (("rewards", len(rewards)), ("prompts", len(prompts or texts))):
        if count != len(texts):
            raise ValueError(f"there are {len(texts)} texts and {count} {name}")
    if not np.isfinite(rewards).all():
        i = int(np.flatnonzero(~np.isfinite(rewards))[0])
        raise ValueError(
            f"the reward of {texts[i][:80]!r} is {rewards[i]}; expected a finite number"
        )
    for name, value, fine, expected in (
        ("discount", discount, 0 < discount <= 1, "above 0 and at most 1"),
        ("expectile", expectile, 0 < expectile < 1, "between 0 and 1"),
        ("follow", follow, 0 < follow <= 1, "above 0 and at most 1"),
    ):
        if not fine:
            raise ValueError(f"{name} is {value}; expected {expected}")


def _after_prompts(model, prompts, texts):
    """Rows of ids; of each how many, beside the start, were given; how many were cut."""
    start, room = len(model.start_ids), model.max_length + 1
    rows, given, cut = [], [], 0
    answers = model.tokenizer.encode(texts, end=True)
    for prompt, answer in zip(model.encode_prompts(prompts), answers, strict=True):
        # The reward belongs to end-of-text, which therefore stays.
        fit = truncate_pair(
            prompt[start:], answer, answer, room - start, model.tokenizer.end_id
        )
        cut += bool(fit.lost_prompt or fit.lost_answers)
        rows.append([*prompt[:start], *fit.prompt_ids, *fit.chosen_ids])
        given.append(start - 1 + len(fit.prompt_ids))
    return rows, np.array(given), cut
