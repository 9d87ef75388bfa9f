"""A recurrent language model: LSTM or GRU."""

from __future__ import annotations

import keras
from keras import ops

from rmkeras.models.lm_base import LanguageModel

CELLS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


@keras.saving.register_keras_serializable(package="rmkeras")
class RecurrentLM(LanguageModel):
    """An LSTM or GRU that predicts the next token.

    h_t = f(h_{t−1}, E[x_t]);   p(· | x_≤t) = softmax(E W h_t + b)

    All it knows of the past is its state, of one size however long the text: the
    generation between n-grams and Transformers. It is fed as `CausalLM` is, and
    the same trainer, sampler and perplexity serve both. The table E is used twice,
    as there; W brings the state to its width.

    Args:
        tokenizer: A `SubwordTokenizer`.
        cell: `"lstm"` or `"gru"`.
        dim: Width of the embeddings.
        units: Width of the state.
        num_layers: Number of recurrent layers.
        max_length: Longest sequence in tokens.
        dropout: Rate on what goes into each layer and into W.
        separator: What is put between a prompt and its completion.

    Call arguments:
        ids: `(batch, length)` ints, 0 is padding on either side. Or a dict of
            `ids` and more, as `pack_rows(alone=True)` makes it; the state would
            run on from one document of a row into the next.

    Returns:
        Logits `(batch, length, vocabulary_size)` float32.

    Example:

    >>> from rmkeras.models import RecurrentLM
    >>> from rmkeras.text import SubwordTokenizer, pad
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = RecurrentLM(tokenizer, "gru", dim=8, units=16, max_length=16)
    >>> model(pad(model.encode(["a good film"]))).shape[-1]
    267

    Source: Mikolov et al. (2010), "Recurrent neural network based language model";
    Zaremba, Sutskever and Vinyals (2014), section 3.1, for the dropout.
    """

    def __init__(
        self,
        tokenizer,
        cell="lstm",
        dim=128,
        units=256,
        num_layers=1,
        max_length=64,
        dropout=0.0,
        separator="",
        name=None,
        **kwargs,
    ):
        super().__init__(tokenizer, max_length, separator, name=name, **kwargs)
        if cell not in CELLS:
            raise ValueError(f"cell is {cell!r}; expected 'lstm' or 'gru'")
        self.cell = cell
        self.dim = dim
        self.units = units
        self.num_layers = num_layers
        self.dropout = dropout
        self.embedding = keras.layers.Embedding(
            tokenizer.vocabulary_size,
            dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="embedding",
        )
        self.layers_ = [
            CELLS[cell](
                units, return_sequences=True, return_state=True, name=f"rnn_{i}"
            )
            for i in range(num_layers)
        ]
        self.drop = keras.layers.Dropout(dropout, name="dropout")
        self.project = keras.layers.Dense(dim, use_bias=False, name="project")
        self.build()

    can_pack = False

    def build(self, input_shape=None):
        """Creates the weights for ids `(batch, length)`."""
        if self.built:
            return
        self.embedding.build((None, None))
        for i, layer in enumerate(self.layers_):
            layer.build((None, None, self.units if i else self.dim))
        self.project.build((None, None, self.units))
        self.add_bias()
        self.built = True

    @property
    def token_table(self):
        """The embedding table, `(vocabulary_size, dim)`."""
        return self.embedding.embeddings

    def call(self, ids, training=None):
        """Predicts; see the class."""
        ids = ids["ids"] if isinstance(ids, dict) else ids
        hidden, _ = self._run(ids, ops.not_equal(ids, 0), None, training)
        return self.to_logits(hidden)

    def states(self, ids, training=None):
        """Returns projected states `(batch, length, dim)` for plain ids."""
        return self._run(ids, ops.not_equal(ids, 0), None, training)[0]

    def _run(self, ids, mask, states, training):
        x, updated = self.embedding(ids), []
        for i, layer in enumerate(self.layers_):
            # Padding leaves the state as it is, so that it may stand on any side.
            x, *state = layer(
                self.drop(x, training=training),
                mask=mask,
                initial_state=None if states is None else list(states[i]),
                training=training,
            )
            updated.append(tuple(state))
        return self.project(self.drop(x, training=training)), updated

    def empty_caches(self, batch, length):
        """Returns zero states; the past takes no more room than that."""
        count = 2 if self.cell == "lstm" else 1
        zeros = ops.zeros((batch, self.units), self.compute_dtype)
        return [tuple(zeros for _ in range(count)) for _ in self.layers_]

    def grow_caches(self, caches, length):
        """Returns the states as they are."""
        return caches

    def decoding_weights(self):
        """Returns nothing: the weights are read as they are."""
        return ()

    def decode(self, ids, mask, positions, caches, cache_index, weights=None):
        """Runs new tokens through the model from given states.

        Args:
            ids: New tokens `(batch, new)`.
            mask: `(batch, past + new)` booleans; which of the new ones are real is
                read from it when there are several, which are then the first.
            positions: Not needed; there for the sake of `CausalLM.decode`.
            caches: As `empty_caches` or this function returned them.
            cache_index: Not needed.
            weights: Not needed.

        Returns:
            Logits after the last new token, `(vocabulary_size, batch)`, a column a
            text, and the states.
        """
        new = ids.shape[1]
        mask = mask[:, :new] if new > 1 else None
        hidden, states = self._run(ids, mask, caches, False)
        return self.to_columns(ops.transpose(hidden[:, -1])), states

    def get_config(self):
        """Returns what rebuilds the model, the tokeniser included."""
        return {
            **super().get_config(),
            "cell": self.cell,
            "dim": self.dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
        }
