"""A language model with values: what offline Q-learning (ILQL) trains and samples."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from rmkeras.layers import fused
from rmkeras.layers.fused_vocabulary import log_softmax_at
from rmkeras.models.causal_lm import CausalLM

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
    >>> from rmkeras.models import ILQLModel
    >>> from rmkeras.text import SubwordTokenizer
    >>> letters = SubwordTokenizer.train([], vocabulary_size=258)
    >>> model = ILQLModel(letters, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> model(np.array(model.encode(["ab"]))).shape[-1]
    258
    """

    def __init__(self, tokenizer, sharpness=16.0, **options):
        self._sharpness = sharpness
        super().__init__(tokenizer, **options)

    @classmethod
    def from_policy(cls, policy, sharpness=16.0, seed=0):
        """Makes one that begins as a policy: Q̄ − V is nearly 0.

        The heads start at random and near 0, or both Qs would stay equal.

        Args:
            policy: A `CausalLM`.
            sharpness: b.
            seed: Decides where the heads start.

        Returns:
            An `ILQLModel`.

        Raises:
            ValueError: If the policy is no Transformer.
        """
        if not isinstance(policy, CausalLM):
            raise ValueError(
                f"the policy is a {type(policy).__name__}; expected a Transformer "
                "(CausalLM), whose states the heads read"
            )
        model = cls.from_config({**policy.get_config(), "sharpness": sharpness})
        if isinstance(policy, ILQLModel):  # It has learned values already.
            model.set_weights(policy.get_weights())
            model.sharpness.assign(sharpness)
            return model
        model.encoder.set_weights(policy.encoder.get_weights())
        model.bias.assign(policy.bias)
        generator = np.random.default_rng(seed)
        for head in model.heads.values():
            shape = tuple(head.kernel.shape)
            head.kernel.assign(0.01 / np.sqrt(shape[0]) * generator.normal(size=shape))
        return model

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

    def smaller_q(self, hidden):
        """Q̄, the smaller of the two target networks', `(batch, length, vocabulary)`."""
        hidden = ops.cast(hidden, "float32")
        return ops.minimum(self.heads["target1"](hidden), self.heads["target2"](hidden))

    def token_width(self):
        """Width of the hidden states."""
        return self.encoder.dim

    def cloned_logits(self, hidden):
        """Logits of π, the policy that wrote the data."""
        return super().to_logits(hidden)

    def to_columns(self, hidden):
        """The same for hidden states `(dim, batch)`, as samplers have them."""
        return ops.transpose(self.to_logits(ops.transpose(hidden)))

    def to_logits(self, hidden):
        """Logits that are sampled from: log π + b (Q̄ − V)."""
        logits, smaller = super().to_logits(hidden), self.smaller_q(hidden)
        value = self.heads["value"](ops.cast(hidden, "float32"))
        return logits + self.sharpness * (smaller - value)

    def token_log_probs(self, hidden, ids, temperature=1.0):
        """Returns log-probabilities of tokens; see `LanguageModel`."""
        flat = ops.reshape(self.to_logits(hidden), (-1, self.tokenizer.vocabulary_size))
        nothing = ops.zeros(flat.shape[-1:])
        fuse = hidden.shape[-1] >= fused.WIDE
        found = log_softmax_at(
            flat, nothing, ops.reshape(ids, (-1,)), temperature, fuse=fuse
        )
        return ops.reshape(found, ops.shape(ids))

    def get_config(self):
        """Returns what rebuilds the model, the tokeniser included."""
        return {**super().get_config(), "sharpness": float(self.sharpness)}
