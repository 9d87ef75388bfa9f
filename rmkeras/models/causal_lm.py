"""A small GPT: the policy of every reinforcement-learning method here."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from rmkeras.models.encoders import TransformerEncoder
from rmkeras.text.pretrained import tokenizer_from_json
from rmkeras.text.tokenizer import PAD_ID


@keras.saving.register_keras_serializable(package="rmkeras")
class CausalLM(keras.Model):
    """A decoder-only Transformer that predicts the next token.

    p(x) = Π_t p(x_t | x_<t),   p(· | x_<t) = softmax(E h_t + b)

    E is the embedding table itself (tied weights); b may start at the tokens'
    log-frequencies (`set_unigram_bias`), which saves the first hundred steps, in
    which a model learns little else. A text is fed as
    `<|endoftext|> tokens <|endoftext|>`: the first says that a text begins, the
    last is predicted like any token, so that the model learns to stop.

    Args:
        tokenizer: A `SubwordTokenizer`, or a `PretrainedTokenizer`.
        dim: Width of the model.
        num_layers: Number of Transformer blocks.
        num_heads: Attention heads in each.
        intermediate_dim: Inner width of a block; 4 · dim if `None`.
        max_length: Longest sequence in tokens.
        dropout: Rate on the embeddings and inside the blocks.
        separator: What is put between a prompt and its completion. Fine-tuning on
            pairs sets it, and sampling from prompts does as fine-tuning did.
        positions, norm, activation: See `TransformerEncoder`; the defaults are
            GPT-2's layout, `"rotary"` and `"rms"` are Llama's.

    Call arguments:
        ids: `(batch, length)` ints, 0 is padding. Or, for packed rows, a dict of
            `ids`, `segments` and `positions`, as `pack_rows` makes it.

    Returns:
        Logits `(batch, length, vocabulary_size)` float32.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.text import SubwordTokenizer, pad
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> model(pad(tokenizer.encode(["a good film"], start=True))).shape[-1]
    267

    Source: Radford et al. (2019), "Language Models are Unsupervised Multitask
    Learners", section 2.3; Press and Wolf (2017) for tied embeddings.
    """

    def __init__(
        self,
        tokenizer,
        dim=192,
        num_layers=3,
        num_heads=6,
        intermediate_dim=None,
        max_length=64,
        dropout=0.1,
        positions="learned",
        norm="layer",
        activation="gelu",
        separator="",
        name=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.tokenizer = tokenizer
        self.separator = separator
        self.max_length = max_length
        self.encoder = TransformerEncoder(
            tokenizer.vocabulary_size,
            max_length=max_length,
            dim=dim,
            num_layers=num_layers,
            num_heads=num_heads,
            intermediate_dim=intermediate_dim,
            causal=True,
            dropout=dropout,
            positions=positions,
            norm=norm,
            activation=activation,
            name="encoder",
        )
        self.build()

    def build(self, input_shape=None):
        """Creates the weights for ids `(batch, length)`."""
        if self.built:
            return
        self.encoder.build((None, None))
        self.bias = self.add_weight(
            shape=(self.tokenizer.vocabulary_size,), initializer="zeros", name="bias"
        )
        self.built = True

    def set_unigram_bias(self, rows):
        """Sets the output bias to the log-frequencies of the tokens in `rows`.

        Args:
            rows: Lists of ids, as `encode` returns them.
        """
        size = self.tokenizer.vocabulary_size
        self.bias.assign(unigram_log_probabilities([r[1:] for r in rows], size))

    def call(self, ids, training=None):
        """Predicts; see the class."""
        options = {}
        if isinstance(ids, dict):
            options = {"mask": ids["segments"], "positions": ids["positions"]}
            ids = ids["ids"]
        return self.to_logits(self.encoder(ids, training=training, **options))

    def output_matrix(self):
        """Returns the embedding table lying across, `(dim, vocabulary_size)`.

        While sampling, it is turned around once and not once a token.
        """
        table = ops.cast(self.encoder.embedding.token, self.compute_dtype)
        return ops.transpose(table)

    def to_logits(self, hidden, matrix=None):
        """Turns hidden states `(…, dim)` into logits `(…, vocabulary_size)`."""
        matrix = self.output_matrix() if matrix is None else matrix
        logits = ops.cast(ops.matmul(hidden, matrix), "float32")
        # Padding is no token. Were it left a little probability here, and none
        # when sampling, the two would differ and every KL would be off by that.
        padding = -1e9 * ops.one_hot(PAD_ID, self.tokenizer.vocabulary_size)
        return logits + ops.cast(self.bias, "float32") + padding

    def decode(self, ids, mask, positions, caches, cache_index, matrix=None):
        """Runs new tokens through the model beside a key/value cache.

        Args:
            ids: New tokens `(batch, new)`.
            mask: `(batch, cache_length)` booleans: which places of the cache hold
                real tokens, the new ones included.
            positions: `(batch, new)` ints, the new tokens' positions.
            caches: As `empty_caches` returns them.
            cache_index: Place in the cache of the first new token.
            matrix: What `output_matrix` returned, if it was called before.

        Returns:
            Logits after the last new token, `(batch, vocabulary_size)`, and the
            updated caches.
        """
        hidden, caches = self.encoder(
            ids,
            mask=mask,
            positions=positions,
            caches=caches,
            cache_index=cache_index,
            training=False,
        )
        return self.to_logits(hidden[:, -1], matrix), caches

    def empty_caches(self, batch, length):
        """Returns caches for `decode` with room for `length` tokens a row."""
        return self.encoder.empty_caches(batch, length)

    def grow_caches(self, caches, length):
        """Returns the same caches with room for `length` tokens a row."""
        room = [[0, 0]] * 3
        return [
            (
                ops.pad(keys, [*room, [0, length - keys.shape[3]]]),
                ops.pad(
                    values, [[0, 0], [0, 0], [0, length - values.shape[2]], [0, 0]]
                ),
            )
            for keys, values in caches
        ]

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

    def load_gpt2(self, backbone):
        """Copies the weights of a `keras_hub.models.GPT2Backbone`.

        GPT-2 has a word at id 0, which is padding here: its token i becomes i + 1,
        as `PretrainedTokenizer` numbers them.

        Args:
            backbone: A backbone with the same widths and one token fewer.
        """
        encoder = self.encoder
        table = ops.convert_to_numpy(backbone.token_embedding.embeddings)
        encoder.embedding.token.assign(np.pad(table, [[1, 0], [0, 0]]))
        encoder.embedding.position.assign(
            backbone.get_layer("position_embedding").position_embeddings[
                : self.max_length
            ]
        )
        for i, block in enumerate(encoder.blocks):
            block.load_keras_hub_block(backbone.get_layer(f"transformer_layer_{i}"))
        encoder.norm.set_weights(backbone.get_layer("layer_norm").get_weights())
        self.bias.assign(ops.zeros_like(self.bias))

    def get_config(self):
        """Returns what rebuilds the model, the tokeniser included."""
        return {
            "name": self.name,
            "tokenizer": self.tokenizer.to_json(),
            "dim": self.encoder.dim,
            "num_layers": self.encoder.num_layers,
            "num_heads": self.encoder.num_heads,
            "intermediate_dim": self.encoder.intermediate_dim,
            "max_length": self.max_length,
            "dropout": self.encoder.dropout,
            "positions": self.encoder.positions,
            "norm": self.encoder.norm_kind,
            "activation": self.encoder.activation,
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
