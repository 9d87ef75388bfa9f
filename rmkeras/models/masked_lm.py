"""A small BERT: a Transformer that guesses hidden tokens from both sides."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from rmkeras.data.masking import mask_tokens
from rmkeras.data.packing import pack_rows, packed_batches
from rmkeras.errors import RmkerasError, options_explained
from rmkeras.models.decides import run_decides
from rmkeras.models.encoders import TransformerEncoder
from rmkeras.models.language_model import compile_language_model
from rmkeras.models.lm_base import LanguageModel
from rmkeras.models.training import train
from rmkeras.text.tokenizer import PAD_ID, SubwordTokenizer, pad

BLANK = "___"
"""What stands for a hidden word in the strings given to `MaskedLM.fill`."""


@keras.saving.register_keras_serializable(package="rmkeras")
class MaskedLM(LanguageModel):
    """A Transformer that sees the whole text and guesses what is hidden.

    p(x_t | x_\\M) = softmax(E h_t + b)   for each hidden place t in M

    It cannot generate: its use is the encoder, whose weights
    `transformer_reward_model(language_model=…)` can start from. The embedding table
    has one row more than the vocabulary, for the hidden token.

    Args:
        tokenizer: A `SubwordTokenizer`.
        dim, num_layers, num_heads, intermediate_dim, max_length: See
            `TransformerEncoder`.
        dropout, positions, norm, activation: See `TransformerEncoder`.

    Call arguments:
        ids: `(batch, length)` ints, or a dict as `CausalLM` takes it.

    Returns:
        Logits `(batch, length, vocabulary_size)` float32.

    Example:

    >>> from rmkeras.models import MaskedLM
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = MaskedLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> len(model.fill("a ___ film", n=3))
    3

    Source: Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional
    Transformers for Language Understanding", section 3.1.
    """

    def __init__(
        self,
        tokenizer,
        dim=128,
        num_layers=2,
        num_heads=4,
        intermediate_dim=None,
        max_length=64,
        dropout=0.0,
        positions="learned",
        norm="layer",
        activation="gelu",
        separator="",
        name=None,
        **kwargs,
    ):
        super().__init__(tokenizer, max_length, separator, name=name, **kwargs)
        self.mask_id = tokenizer.vocabulary_size
        self.encoder = TransformerEncoder(
            tokenizer.vocabulary_size + 1,
            max_length=max_length,
            dim=dim,
            num_layers=num_layers,
            num_heads=num_heads,
            intermediate_dim=intermediate_dim,
            causal=False,
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
        """The embedding table without the hidden token's row."""
        return self.encoder.embedding.token[: self.mask_id]

    def call(self, ids, training=None):
        """Predicts; see the class."""
        options = {}
        if isinstance(ids, dict):
            options = {"mask": ids["segments"], "positions": ids["positions"]}
            ids = ids["ids"]
        return self.to_logits(self.encoder(ids, training=training, **options))

    def fill(self, text, n=5):
        """Guesses the one token that `___` stands for.

        Args:
            text: A string with one `___`.
            n: Number of guesses.

        Returns:
            A list of `n` pairs of a token and its probability, likeliest first.

        Raises:
            ValueError: If the text has none or several blanks.
        """
        if text.count(BLANK) != 1:
            raise ValueError(
                f"{text!r} has {text.count(BLANK)} blanks; expected one {BLANK}"
            )
        before, after = (part.strip() for part in text.split(BLANK))
        left, right = self.tokenizer.encode([before, after])
        row = [*self.start_ids, *left, self.mask_id, *right, self.tokenizer.end_id]
        place = len(self.start_ids) + len(left)
        logits = self(np.array([row], "int32"), training=False)[0, place]
        probabilities = ops.convert_to_numpy(ops.softmax(logits))
        best = np.argsort(-probabilities, kind="stable")[:n]
        words = self.tokenizer.decode([[int(i)] for i in best])
        return [
            (word.strip(), float(p))
            for word, p in zip(words, probabilities[best], strict=True)
        ]

    def get_config(self):
        """Returns what rebuilds the model, the tokeniser included."""
        encoder = self.encoder
        return {
            **super().get_config(),
            "dim": encoder.dim,
            "num_layers": encoder.num_layers,
            "num_heads": encoder.num_heads,
            "intermediate_dim": encoder.intermediate_dim,
            "dropout": encoder.dropout,
            "positions": encoder.positions,
            "norm": encoder.norm_kind,
            "activation": encoder.activation,
        }


def masked_batches(model, rows, batch_size, rate=0.15):
    """Packs rows once, and makes batches with other tokens hidden each epoch.

    Args:
        model: A `MaskedLM`.
        rows: Lists of ids.
        batch_size: Rows of `model.max_length` tokens a batch.
        rate: See `mask_tokens`.

    Returns:
        A function from `seed` and `epoch` to a `tf.data.Dataset` of
        `(inputs, targets)`.
    """
    # Packing keeps back the last token of a document, as the next token's target.
    packed = pack_rows([[*row, PAD_ID] for row in rows], model.max_length)

    def batches(seed=None, epoch=0):
        ids, targets = mask_tokens(
            packed.ids,
            model.mask_id,
            model.mask_id,
            [seed or 0, epoch, 15],
            rate,
        )
        hidden = packed._replace(ids=ids, targets=targets)
        return packed_batches(hidden, batch_size, seed, epoch)

    return batches


def train_masked_model(
    texts,
    validation_texts=(),
    vocabulary_size=3072,
    epochs=2,
    batch_size=16,
    learning_rate=2e-3,
    rate=0.15,
    seed=0,
    tokenizer=None,
    accumulate=1,
    model_options=None,
    **how,
):
    """Trains a tokeniser and a `MaskedLM` on texts.

    L = −1/|M| Σ_{t∈M} log p(x_t | x_\\M) over the hidden places M of the batch.

    Args:
        texts: Training texts.
        validation_texts: Texts for the loss after each epoch.
        vocabulary_size: Size of the tokeniser, if one is trained.
        epochs: Passes over the texts.
        batch_size: Rows of `max_length` tokens a batch.
        learning_rate: Peak learning rate.
        rate: Share of the tokens that are hidden.
        seed: Decides weights, what is hidden, and the order.
        tokenizer: A trained tokeniser; one is trained on the texts if `None`.
        accumulate: Batches whose gradients are averaged for one update.
        model_options: Options of `MaskedLM`.
        **how: Passed to `rmkeras.models.training.train`.

    Returns:
        The model and its history.

    Raises:
        RmkerasError: If there are no texts.
    """
    texts = list(texts)
    if not texts:
        raise RmkerasError("there are no texts to train on")
    keras.utils.set_random_seed(seed)
    with options_explained():
        tokenizer = tokenizer or SubwordTokenizer.train(texts, vocabulary_size)
        model = MaskedLM(tokenizer, **(model_options or {}))
    rows = model.encode(texts, cut=False)
    model.set_unigram_bias(rows)
    batches = masked_batches(model, rows, batch_size, rate)
    steps = int(batches().cardinality())
    compile_language_model(model, steps * epochs, learning_rate, accumulate)
    validation = None
    if len(validation_texts):
        held_out = model.encode(list(validation_texts), cut=False)
        validation = masked_batches(model, held_out, batch_size, rate)()
    decides = run_decides(
        how.get("out"),
        texts,
        kind="masked language model",
        learning_rate=learning_rate,
        batch_size=batch_size,
        accumulate=accumulate,
        seed=seed,
        rate=rate,
        vocabulary_size=vocabulary_size,
        model_options=model_options or {},
    )
    return train(
        model,
        lambda epoch: batches(seed, epoch),
        epochs,
        validation,
        decides=decides,
        **{"label": "masked language model", **how},
    )


def masked_scores(model, texts, rate=0.15, seed=0, batch_size=64):
    """How often, and how well, hidden tokens are guessed.

    Args:
        model: A `MaskedLM`.
        texts: Held-out strings.
        rate: Share of the tokens that are hidden.
        seed: Decides which.
        batch_size: Texts a batch.

    Returns:
        A dict: `masked_accuracy`, the share guessed right; `masked_perplexity`,
        exp of the mean negative log-probability; and `masked_tokens`, how many.
    """
    rows = sorted(model.encode(list(texts)), key=len)
    right = nll = count = 0.0

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)] * 2)
    def one(inputs, targets):
        logits = model(inputs, training=False)
        wanted = tf.cast(targets != PAD_ID, tf.float32)
        losses = keras.losses.sparse_categorical_crossentropy(
            targets, logits, from_logits=True
        )
        hits = tf.cast(tf.argmax(logits, -1, tf.int32) == targets, tf.float32)
        sums = [tf.reduce_sum(x * wanted) for x in (hits, losses)]
        return *sums, tf.reduce_sum(wanted)

    for start in range(0, len(rows), batch_size):
        ids = pad(rows[start : start + batch_size])
        inputs, targets = mask_tokens(
            ids, model.mask_id, model.mask_id, [seed, start], rate
        )
        found = [float(x) for x in one(inputs, targets)]
        right, nll, count = right + found[0], nll + found[1], count + found[2]
    if not count:
        raise RmkerasError("no token was hidden; give more texts")
    return {
        "masked_accuracy": right / count,
        "masked_perplexity": float(np.exp(nll / count)),
        "masked_tokens": int(count),
    }
