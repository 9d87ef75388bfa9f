"""A small GPT: the policy of every reinforcement-learning method here."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from rmkeras.models.encoders import TransformerEncoder
from rmkeras.models.lm_base import LanguageModel


@keras.saving.register_keras_serializable(package="rmkeras")
class CausalLM(LanguageModel):
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
        super().__init__(tokenizer, max_length, separator, name=name, **kwargs)
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
        self.add_bias()
        self.built = True

    @property
    def token_table(self):
        """The embedding table, `(vocabulary_size, dim)`."""
        return self.encoder.embedding.token

    def call(self, ids, training=None):
        """Predicts; see the class."""
        options = {}
        if isinstance(ids, dict):
            options = {"mask": ids["segments"], "positions": ids["positions"]}
            ids = ids["ids"]
        return self.to_logits(self.encoder(ids, training=training, **options))

    def states(self, ids, training=None):
        """Returns hidden states `(batch, length, dim)` for plain ids."""
        return self.encoder(ids, training=training)

    def decoding_weights(self):
        """Returns the weights as `decode` reads them when each text has one token."""
        return self.encoder.one_token_weights()

    def decode(self, ids, mask, positions, caches, cache_index, weights=None):
        """Runs new tokens through the model beside a key/value cache.

        Args:
            ids: New tokens `(batch, new)`.
            mask: `(batch, cache_length)` booleans: which places of the cache hold
                real tokens, the new ones included.
            positions: `(batch, new)` ints, the new tokens' positions.
            caches: As `empty_caches` returns them.
            cache_index: Place in the cache of the first new token.
            weights: What `decoding_weights` returned, if it was called before.

        Returns:
            Logits after the last new token, `(vocabulary_size, batch)`, a column a
            text, and the updated caches.
        """
        if ids.shape[1] == 1:
            weights = self.decoding_weights() if weights is None else weights
            hidden, caches = self.encoder.one_token(
                weights, ids[:, 0], mask, positions[:, 0], caches, cache_index
            )
            return self.to_columns(hidden), caches
        hidden, caches = self.encoder(
            ids,
            mask=mask,
            positions=positions,
            caches=caches,
            cache_index=cache_index,
            training=False,
        )
        return self.to_columns(ops.transpose(hidden[:, -1])), caches

    def empty_caches(self, batch, length):
        """Returns caches for `decode` with room for `length` tokens a row."""
        return self.encoder.empty_caches(batch, length)

    def grow_caches(self, caches, length):
        """Returns the same caches with room for `length` tokens a row."""
        room = length - caches[0][0].shape[2]
        more = [[0, 0], [0, 0], [0, room], [0, 0]]
        return [tuple(ops.pad(part, more) for part in cache) for cache in caches]

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
            **super().get_config(),
            "dim": self.encoder.dim,
            "num_layers": self.encoder.num_layers,
            "num_heads": self.encoder.num_heads,
            "intermediate_dim": self.encoder.intermediate_dim,
            "dropout": self.encoder.dropout,
            "positions": self.encoder.positions,
            "norm": self.encoder.norm_kind,
            "activation": self.encoder.activation,
        }
