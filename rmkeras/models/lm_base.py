"""What all language models share: text in, tied output, a bias."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from rmkeras.text.pretrained import tokenizer_from_json
from rmkeras.text.tokenizer import PAD_ID


class LanguageModel(keras.Model):
    """A model of the next token, whose output matrix is its embedding table.

    A class of this kind has `token_table`, `states`, `decode`, `empty_caches` and
    `grow_caches`; see `CausalLM`.

    Args:
        tokenizer: A `SubwordTokenizer` or a `PretrainedTokenizer`.
        max_length: Longest sequence in tokens.
        separator: What is put between a prompt and its completion.

    Attributes:
        can_pack: Whether documents that share a row stay apart.
    """

    can_pack = True

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
        hidden = self.states(inputs, training=training)  # (B, P + L - 1, D)
        return hidden[:, prompt_ids.shape[1] - 1 :]

    def output_matrix(self):
        """Returns the embedding table lying across, `(dim, vocabulary_size)`.

        While sampling, it is turned around once and not once a token.
        """
        table = ops.cast(self.token_table, self.compute_dtype)
        return ops.transpose(table)

    def to_logits(self, hidden, matrix=None):
        """Turns hidden states `(…, dim)` into logits `(…, vocabulary_size)`."""
        matrix = self.output_matrix() if matrix is None else matrix
        logits = ops.cast(ops.matmul(hidden, matrix), "float32")
        # Padding is no token. Were it left a little probability here, and none
        # when sampling, the two would differ and every KL would be off by that.
        padding = -1e9 * ops.one_hot(PAD_ID, self.tokenizer.vocabulary_size)
        return logits + ops.cast(self.bias, "float32") + padding

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
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model from `get_config`'s result."""
        config = dict(config)
        config["tokenizer"] = tokenizer_from_json(config["tokenizer"])
        return cls(**config)


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
