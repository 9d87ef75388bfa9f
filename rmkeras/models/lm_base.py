"""What all language models share: text in, tied output, a bias."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from rmkeras.layers import fused
from rmkeras.layers.fused_vocabulary import log_softmax_at
from rmkeras.text.pretrained import tokenizer_from_json
from rmkeras.text.tokenizer import PAD_ID


class LanguageModel(keras.Model):
    """A model of the next token, whose output matrix is its embedding table.

    A class of this kind has `token_table`, `states`, `decode`, `decoding_weights`,
    `empty_caches` and `grow_caches`; see `CausalLM`.

    Args:
        tokenizer: A `SubwordTokenizer` or a `PretrainedTokenizer`.
        max_length: Longest sequence in tokens.
        separator: What is put between a prompt and its completion.

    Attributes:
        can_pack: Whether documents that share a row stay apart.
    """

    can_pack = True

    chat_template = None
    """The `ChatTemplate` of the training data as JSON, if messages were rendered."""

    def __init__(self, tokenizer, max_length, separator="", name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.separator = separator

    def add_bias(self):
        """Creates the output's bias."""
        self.bias = self.add_weight(
            shape=(self.tokenizer.vocabulary_size,), initializer="zeros", name="bias"
        )

    def set_unigram_bias(self, rows):
        """Sets the output bias to the log-frequencies of the tokens in `rows`.

        Args:
            rows: Lists of ids, as `encode` returns them.
        """
        size = self.tokenizer.vocabulary_size
        self.bias.assign(unigram_log_probabilities([r[1:] for r in rows], size))

    @property
    def dropout_rate(self):
        """Share of activations that are dropped in training."""
        holder = self if hasattr(self, "dropout") else self.encoder
        return getattr(holder, "dropout", 0.0)

    def test_step(self, *arguments):
        """Evaluates one batch, so that the losses of all come to the mean of a token.

        L = Σ_b T_b ℓ_b / Σ_b T_b over batches b with T_b targets and mean loss ℓ_b.
        Keras weighs a batch by its rows, whatever they hold: a last batch of three
        short texts would count as much as one of three long ones, and exp(L) would
        not be the perplexity.
        """
        if keras.backend.backend() != "tensorflow":
            return super().test_step(*arguments)
        inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(*arguments)
        outputs = self(inputs, training=False)
        loss = self.compute_loss(
            x=inputs,
            y=targets,
            y_pred=outputs,
            sample_weight=weights,
            training=False,
        )
        import tensorflow as tf

        # Keras divides the loss of a replica by their number, for the sum over them.
        loss *= tf.distribute.get_strategy().num_replicas_in_sync
        count = ops.sum(ops.cast(targets != PAD_ID, "float32"))
        self._loss_tracker.update_state(loss, sample_weight=count)
        return self.compute_metrics(inputs, targets, outputs, weights)

    def completion_states(self, prompt_ids, ids, training=False):
        """Returns the hidden states that predict each token of completions.

        Args:
            prompt_ids: `(batch, prompt)`, padded on the left.
            ids: `(batch, length)`, the completions, padded on the right.
            training: Whether dropout is on.

        Returns:
            `(batch, length, dim)`: state t is that of the text before token t.
        """
        inputs = ops.concatenate([prompt_ids, ids[:, :-1]], axis=1)
        # Without dropout it is all the same, but attention and GELU are fused in
        # training.
        training = training or not self.dropout_rate
        hidden = self.states(inputs, training=training)  # (B, P + L - 1, D)
        return hidden[:, prompt_ids.shape[1] - 1 :]

    def to_logits(self, hidden):
        """Turns hidden states `(…, dim)` into logits `(…, vocabulary_size)`."""
        return ops.cast(self._products(hidden), "float32") + self._output_bias()

    def token_log_probs(self, hidden, ids, temperature=1.0):
        """Returns log-probabilities of tokens, without keeping all logits.

        log π(x_t | x_<t) = z_t[x_t] / T − log Σ_v exp(z_t[v] / T),  z = `to_logits`

        Args:
            hidden: `(batch, length, dim)`; state t predicts `ids[:, t]`.
            ids: `(batch, length)` ints.
            temperature: The temperature T the tokens were sampled at. Leaving it out
                gives the probabilities of another policy than the one that sampled.

        Returns:
            `(batch, length)` float32.
        """
        flat = ops.reshape(hidden, (-1, hidden.shape[-1]))  # (B·L, D)
        found = log_softmax_at(
            self._products(flat),
            self._output_bias(),
            ops.reshape(ids, (-1,)),
            temperature,
            fuse=hidden.shape[-1] >= fused.WIDE,
        )
        return ops.reshape(found, ops.shape(ids))

    def _products(self, hidden):
        table = ops.cast(self.token_table, self.compute_dtype)
        return ops.matmul(hidden, ops.transpose(table))  # (…, V)

    def to_columns(self, hidden):
        """Turns hidden states `(dim, batch)` into logits `(vocabulary_size, batch)`."""
        logits = ops.matmul(ops.cast(self.token_table, hidden.dtype), hidden)
        return ops.cast(logits, "float32") + self._output_bias()[:, None]

    def _output_bias(self):
        # Padding is no token. Were it left a little probability here, and none
        # when sampling, the two would differ and every KL would be off by that.
        padding = -1e9 * ops.one_hot(PAD_ID, self.tokenizer.vocabulary_size)
        return ops.cast(self.bias, "float32") + padding

    def encode(self, texts, cut=True):
        """Turns strings into lists of ids with end-of-text at both ends.

        Args:
            texts: Strings.
            cut: Whether texts longer than the model's length lose their end.

        Returns:
            A list of lists of ints.
        """
        start = self.start_ids
        longest = self.max_length - len(start) if cut else None
        rows = self.tokenizer.encode(texts, max_length=longest, end=True)
        return [[*start, *row] for row in rows]

    @property
    def start_ids(self):
        """Ids that stand in front of every text: "a text begins"."""
        return self.tokenizer.start_ids or [self.tokenizer.end_id]

    def encode_prompts(self, prompts):
        """Turns prompts into lists of ids: the start, the prompt, the separator.

        Args:
            prompts: Strings.

        Returns:
            A list of lists of ints.
        """
        prompts = [p + self.separator if p else p for p in prompts]
        return [[*self.start_ids, *row] for row in self.tokenizer.encode(prompts)]

    def get_config(self):
        """Returns what rebuilds the model, the tokeniser included."""
        return {
            "name": self.name,
            "tokenizer": self.tokenizer.to_json(),
            "max_length": self.max_length,
            "separator": self.separator,
            "chat_template": self.chat_template,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model from `get_config`'s result."""
        config = dict(config)
        template = config.pop("chat_template", None)
        config["tokenizer"] = tokenizer_from_json(config["tokenizer"])
        model = cls(**config)
        model.chat_template = template
        return model


def unigram_log_probabilities(rows, vocabulary_size):
    """Logarithms of the tokens' shares in `rows`, each counted once more than seen.

    Args:
        rows: Lists of ids.
        vocabulary_size: Number of ids.

    Returns:
        A NumPy array `(vocabulary_size,)` of float32.
    """
    counts = np.bincount(np.concatenate(rows), minlength=vocabulary_size) + 1.0
    return np.log(counts / counts.sum()).astype("float32")
