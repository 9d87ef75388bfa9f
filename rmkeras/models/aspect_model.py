"""Reward models that judge several aspects of a text at once."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from rmkeras.layers.reward_head import RewardHead
from rmkeras.losses.multitask import AspectLoss, UncertaintyWeights, dynamic_weights
from rmkeras.losses.pairwise import BradleyTerry
from rmkeras.models.reward_model import RewardModel

BALANCES = ("fixed", "learned", "adaptive")


@keras.saving.register_keras_serializable(package="rmkeras")
class AspectRewardModel(RewardModel):
    """One trunk and a head for each aspect: r_a(x) = w_a · pool(encode(x)) + b_a.

    The reward is one number again, r(x) = Σ_a c_a r_a(x): so the model can stand
    wherever a reward model can. Compile it with `AspectLoss`; targets are
    `(batch, aspects)`, NaN where nobody rated an aspect of a text.

    How the aspects' losses are weighed against each other is `balance`:

    - `"fixed"`: as `AspectLoss(weights=…)` says, all alike by default;
    - `"learned"`: by how noisy each is, see `UncertaintyWeights`;
    - `"adaptive"`: by whether each still falls; call `adapt` after each epoch, as
      `train_aspect_model` does. See `AdaptiveWeights` for the formula.

    What is learned or adapted is saved with the model, so that a run can go on.

    Args:
        tokenizer, encoder, pooling, dropout, task, max_length, cut, augment:
            As in `RewardModel`. A classifier has a logit for each aspect.
        aspects: Their names, in the order of the outputs.
        weights: c, one number an aspect; 1 / aspects each if `None`, so that the
            reward is the mean and speaks in the ratings' unit.
        balance: See above.
        temperature: T of `"adaptive"`.
        scale, shift: A number, or a list with one for each aspect.

    Call arguments:
        ids: As in `RewardModel`.

    Returns:
        `(batch, aspects)` float32; for candidates their rewards `(batch,
        candidates)`, so that comparisons can train the sum.

    Example:

    >>> from rmkeras.models import AspectRewardModel, lstm_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> trunk = lstm_reward_model(tokenizer, dim=8, units=4)
    >>> model = AspectRewardModel.on_trunk(trunk, ["truthful", "fluent"])
    >>> sorted(model.score_aspects(["a good film", ""]))
    ['fluent', 'truthful']
    >>> model.score(["a good film", ""]).shape
    (2,)

    Source: Caruana (1997), "Multitask Learning"; Wang et al. (2024),
    "Interpretable Preferences via Multi-Objective Reward Modeling", section 3.1.
    """

    def __init__(
        self,
        tokenizer,
        encoder,
        pooling,
        aspects,
        weights=None,
        balance="fixed",
        temperature=2.0,
        dropout=0.0,
        task="regression",
        scale=1.0,
        shift=0.0,
        max_length=128,
        cut="end",
        augment=None,
        name=None,
        **kwargs,
    ):
        aspects = tuple(aspects)
        if len(aspects) < 2 or len(set(aspects)) < len(aspects):
            raise ValueError(
                f"aspects are {', '.join(map(repr, aspects)) or 'none'}; expected two "
                "or more different names"
            )
        if weights is None:
            weights = [1 / len(aspects)] * len(aspects)
        if len(weights) != len(aspects):
            raise ValueError(
                f"there are {len(aspects)} aspects and {len(weights)} weights; "
                "expected as many of both"
            )
        if balance not in BALANCES:
            raise ValueError(
                f"balance is {balance!r}; expected one of {', '.join(BALANCES)}"
            )
        scale, shift = (
            [float(v) for v in np.broadcast_to(value, len(aspects))]
            for value in (scale, shift)
        )
        super().__init__(
            tokenizer,
            encoder,
            pooling,
            dropout=dropout,
            task=task,
            max_length=max_length,
            cut=cut,
            augment=augment,
            head=RewardHead(scale, shift, len(aspects), name="head"),
            name=name,
            **kwargs,
        )
        self.scale, self.shift = tuple(scale), tuple(shift)
        self.weights_of_aspects = tuple(float(w) for w in weights)
        self.aspects = aspects
        self.balance = balance
        self.temperature = temperature
        if balance == "learned":
            self.uncertainty = UncertaintyWeights(len(aspects), name="uncertainty")

    @classmethod
    def on_trunk(cls, model, aspects, **options):
        """Puts new heads on the trunk of a reward model.

        Args:
            model: A `RewardModel`; its encoder and pooling are shared, not copied.
            aspects: Names.
            **options: Passed to the class; what is left out is the model's.

        Returns:
            A built `AspectRewardModel`.
        """
        trunk = {
            "dropout": model.dropout,
            "task": model.task,
            "max_length": model.max_length,
            "cut": model.cut,
            "augment": model.augment,
        }
        made = cls(
            model.tokenizer,
            model.encoder,
            model.pooling,
            aspects,
            **{**trunk, **options},
        )
        made.build()
        return made

    def build(self, input_shape=None):
        """Creates the weights for ids `(batch, length)`."""
        super().build(input_shape)
        if self.balance == "adaptive" and not hasattr(self, "loss_weights"):
            shape = {"shape": (len(self.aspects),), "trainable": False}
            shape |= {"dtype": "float32", "autocast": False}
            self.loss_weights = self.add_weight(
                **shape, initializer="ones", name="loss_weights"
            )
            # Of this epoch: summed losses and ratings. Of the last: the mean.
            self.loss_sums, self.loss_counts, self.last_losses = (
                self.add_weight(**shape, initializer="zeros", name=name)
                for name in ("loss_sums", "loss_counts", "last_losses")
            )

    def call(self, ids, training=None):
        """Scores ids; see the class."""
        if len(ids.shape) == 2:
            return super().call(ids, training=training)
        shape = ops.shape(ids)  # (B, K, L)
        flat = super().call(ops.reshape(ids, (-1, shape[2])), training=training)
        return ops.reshape(self._sum(flat), shape[:2])

    def _sum(self, outputs):
        weights = ops.convert_to_tensor(self.weights_of_aspects, "float32")
        return ops.sum(outputs * weights, axis=-1)

    def reward(self, ids):
        """Scores ids inside a graph: the weighted sum; see `RewardModel.reward`."""
        return self._sum(self(ids, training=False))

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Weighs the aspects' losses as `balance` says; Keras calls it."""
        if self.balance == "fixed" or isinstance(self.loss, BradleyTerry):
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        if not isinstance(self.loss, AspectLoss):
            raise ValueError(
                f"balance={self.balance!r} weighs the parts of an AspectLoss; compile "
                f"with one, not with {self.loss!r}"
            )
        each = self.loss.each(y, y_pred)  # (B, A)
        rated = ops.cast(ops.logical_not(ops.isnan(ops.cast(y, "float32"))), "float32")
        if sample_weight is not None:
            weight = ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1))
            each, rated = each * weight, rated * weight
        sums, counts = ops.sum(each, axis=0), ops.sum(rated, axis=0)  # (A,)
        if self.balance == "learned":
            means = sums / ops.maximum(counts, 1e-9)
            present = ops.cast(counts > 0, "float32")
            total = self.uncertainty(means, present)
        else:
            if training:
                self.loss_sums.assign_add(sums)
                self.loss_counts.assign_add(counts)
            weights = ops.convert_to_tensor(self.loss_weights)
            total = ops.sum(weights * sums) / ops.cast(ops.shape(each)[0], "float32")
        for extra in self.losses:
            total = total + ops.sum(ops.cast(extra, total.dtype))
        return total

    def adapt(self):
        """Sets the adaptive weights for the next epoch; others stay as they are.

        w_a = A softmax(ρ_a / T)_a,  ρ_a = L_a(t − 1) / L_a(t − 2)

        with L_a(t) the mean loss of aspect a in epoch t of training.
        """
        if self.balance != "adaptive":
            return
        sums, counts, before = (
            ops.convert_to_numpy(v)
            for v in (self.loss_sums, self.loss_counts, self.last_losses)
        )
        losses = sums / np.maximum(counts, 1e-9)
        if before.any():
            self.loss_weights.assign(dynamic_weights(losses, before, self.temperature))
        self.last_losses.assign(losses)
        self.loss_sums.assign(np.zeros_like(sums))
        self.loss_counts.assign(np.zeros_like(counts))

    def rewards_of(self, rows, batch_size=256):
        """Scores lists of ids: the weighted sum; see `RewardModel.rewards_of`."""
        return self.outputs_of(rows, batch_size) @ np.array(
            self.weights_of_aspects, "float32"
        )

    def score_aspects(self, texts, batch_size=256, prompts=None):
        """Scores each aspect of strings.

        Args:
            texts, batch_size, prompts: See `RewardModel.score`.

        Returns:
            A dict from aspect to a NumPy array `(n,)`: ratings, or probabilities
            from a classifier.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        found = self.outputs_of(self.encode(texts, prompts), batch_size)
        found = self.in_unit(found)
        return {name: found[:, i] for i, name in enumerate(self.aspects)}

    def get_config(self):
        """Returns what rebuilds the model, the tokeniser included."""
        return {
            **super().get_config(),
            "aspects": list(self.aspects),
            "weights": list(self.weights_of_aspects),
            "balance": self.balance,
            "temperature": self.temperature,
            "scale": list(self.scale),
            "shift": list(self.shift),
        }
