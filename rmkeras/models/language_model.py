"""Pretraining a causal language model, and how well one predicts."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from rmkeras.data.packing import pack_rows, packed_batches
from rmkeras.data.pipeline import bucketed_batches
from rmkeras.data.service import through_service
from rmkeras.errors import RmkerasError, options_explained
from rmkeras.models.causal_lm import CausalLM
from rmkeras.models.decides import run_decides
from rmkeras.models.optimizer import AdamW, WarmupCosine
from rmkeras.models.training import train
from rmkeras.text.tokenizer import PAD_ID, SubwordTokenizer, pad


def compile_language_model(model, steps, learning_rate=2e-3, accumulate=1):
    """Compiles with cross-entropy per token and AdamW, warmed up and annealed.

    L = −1/T Σ_t log p(x_t | x_<t) over the T tokens of the batch that are to be
    predicted: those whose target is not 0.

    Args:
        model: A `CausalLM` or `RecurrentLM`.
        steps: Number of batches that the schedule spans.
        learning_rate: Its peak; reached after 5 % of the steps (at once, if they
            are fewer than 20), then a cosine down to zero.
        accumulate: Batches whose gradients are averaged for one update.

    Returns:
        The model.
    """
    model.compile(
        optimizer=AdamW(
            WarmupCosine(learning_rate, max(2, steps), steps // 20),
            weight_decay=0.01,
            beta_2=0.98,
            global_clipnorm=1.0,
            gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        ),
        # Padding is ignored in the sum and in the count that it is divided by.
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=PAD_ID
        ),
        # Off on purpose: compiling each bucket's shape costs more than it gains.
        jit_compile=False,
    )
    return model


def language_model_batches(model, texts, batch_size, seed=None, epoch=0):
    """Batches `(inputs, targets)`, the targets one token ahead of the inputs.

    Args:
        model: A `CausalLM`, for its tokeniser and length.
        texts: Strings or lists of ids.
        batch_size: Texts a batch.
        seed: Decides the order with `epoch`; no shuffling if `None`.
        epoch: Number of the epoch.

    Returns:
        A `tf.data.Dataset` of pairs of `(batch, length)` int32.
    """
    rows = model.encode(texts) if texts and isinstance(texts[0], str) else texts
    dataset = bucketed_batches(
        rows,
        batch_size=batch_size,
        shuffle=seed is not None,
        seed=(seed or 0) * 10_007 + epoch,
    )
    return dataset.map(lambda ids, index: (ids[:, :-1], ids[:, 1:]))


def train_language_model(
    texts,
    validation_texts=(),
    vocabulary_size=3072,
    dim=128,
    num_layers=2,
    num_heads=4,
    max_length=64,
    # In two passes nothing is learned by heart, so there is nothing to drop.
    dropout=0.0,
    epochs=2,
    batch_size=24,
    learning_rate=3e-3,
    seed=0,
    architecture="transformer",
    tokenizer=None,
    model=None,
    packed=False,
    accumulate=1,
    model_options=None,
    data_service=None,
    **how,
):
    """Trains a tokeniser and a language model on texts.

    Args:
        texts: Training texts.
        validation_texts: Texts for the loss after each epoch.
        vocabulary_size, dim, num_layers, num_heads, max_length, dropout: See
            `CausalLM`.
        epochs: Passes over the texts.
        batch_size: Texts a batch; rows of `max_length` tokens if `packed`.
        learning_rate: Peak learning rate.
        seed: Decides weights, dropout and order.
        architecture: `"transformer"` (a `CausalLM`), `"lstm"` or `"gru"` (a
            `RecurrentLM`, whose `units` are in `model_options`).
        tokenizer: A trained tokeniser; one is trained on the texts if `None`.
        model: A language model to train further; then all of the above that
            describes one is ignored.
        packed: Whether documents share rows of one length, see `pack_rows`, for
            Transformers. Nothing is cut off then and no row is padded. Texts of
            similar length are batched if not.
        accumulate: Batches whose gradients are averaged for one update.
        model_options: More options of the model, such as `positions`.
        data_service: Address of a tf.data dispatcher whose worker makes the batches;
            see `rmkeras.data.service`. They are made here if `None`.
        **how: Passed to `rmkeras.models.training.train`; `decides` is added to
            what is known here.

    Returns:
        The model and its history.
    """
    keras.utils.set_random_seed(seed)
    texts = list(texts)
    fresh = model is None
    if fresh:
        with options_explained():
            model = build_language_model(
                architecture,
                tokenizer or SubwordTokenizer.train(texts, vocabulary_size),
                dim=dim,
                num_layers=num_layers,
                num_heads=num_heads,
                max_length=max_length,
                dropout=dropout,
                **(model_options or {}),
            )
    if packed:
        rows = model.encode(texts, cut=False)
        batches = packed_language_batches(model, rows, batch_size)
    else:
        rows = model.encode(texts)

        def batches(seed=None, epoch=0):
            return language_model_batches(model, rows, batch_size, seed, epoch)

    if fresh:
        model.set_unigram_bias(rows)
    steps = int(batches().cardinality())
    compile_language_model(model, steps * epochs, learning_rate, accumulate)
    validation = None
    if len(validation_texts):
        validation = language_model_batches(model, list(validation_texts), 128)

    def of_epoch(epoch):
        return batches(seed, epoch)

    options = {"architecture": type(model).__name__}
    if fresh:
        options = {
            "architecture": architecture,
            "vocabulary_size": vocabulary_size,
            "dim": dim,
            "num_layers": num_layers,
            "num_heads": num_heads,
            "max_length": max_length,
            "dropout": dropout,
            "model_options": model_options or {},
        }
    options |= how.pop("decides", None) or {}
    decides = run_decides(
        how.get("out"),
        texts,
        kind="language model",
        learning_rate=learning_rate,
        batch_size=batch_size,
        accumulate=accumulate,
        seed=seed,
        packed=packed,
        **options,
    )
    if data_service is not None:
        of_epoch = through_service(of_epoch, data_service)
    return train(
        model,
        of_epoch,
        epochs,
        validation,
        decides=decides,
        **{"label": "language model", **how},
    )


def build_language_model(architecture, tokenizer, num_heads=4, **options):
    """Builds a language model by the name of its architecture.

    Args:
        architecture: `"transformer"`, `"lstm"` or `"gru"`.
        tokenizer: A trained tokeniser.
        num_heads: Attention heads, of a Transformer.
        **options: Passed to `CausalLM` or `RecurrentLM`.

    Returns:
        A `CausalLM` or a `RecurrentLM`.

    Raises:
        RmkerasError: If there is no such architecture.
    """
    if architecture == "transformer":
        return CausalLM(tokenizer, num_heads=num_heads, **options)
    if architecture in ("lstm", "gru"):
        from rmkeras.models.recurrent_lm import RecurrentLM

        return RecurrentLM(tokenizer, cell=architecture, **options)
    raise RmkerasError(
        f"no language model {architecture!r}; expected transformer, lstm or gru"
    )


def packed_language_batches(model, rows, batch_size, labels=None):
    """Packs rows once, and makes batches of them for any epoch.

    Args:
        model: A language model; if it cannot keep documents apart, each gets a row
            of its own.
        rows, labels: See `pack_rows`.
        batch_size: Rows a batch.

    Returns:
        A function from `seed` and `epoch` to a `tf.data.Dataset`.
    """
    packed = pack_rows(rows, model.max_length, labels, alone=not model.can_pack)

    def batches(seed=None, epoch=0):
        return packed_batches(packed, batch_size, seed, epoch)

    return batches


def perplexity(model, texts, batch_size=128):
    """How many tokens the model hesitates between, on average.

    PPL = exp(−1/T Σ_i Σ_t log p(x_it | x_i<t)) over all T tokens of all texts,
    end-of-text included. It depends on the tokeniser: compare only models that
    share one.

    Args:
        model: A `CausalLM`.
        texts: Strings; what does not fit the model's length is cut.
        batch_size: Texts a batch; the result does not depend on it.

    Returns:
        A float.
    """
    rows = sorted(model.encode(texts), key=len)

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
    def total(ids):
        nll = keras.losses.sparse_categorical_crossentropy(
            ids[:, 1:], model(ids[:, :-1], training=False), from_logits=True
        )  # (B, L)
        return tf.reduce_sum(nll * tf.cast(ids[:, 1:] != PAD_ID, nll.dtype))

    loss = 0.0
    for start in range(0, len(rows), batch_size):
        loss += float(total(pad(rows[start : start + batch_size])))
    tokens = sum(len(row) - 1 for row in rows)
    return math.exp(loss / tokens)
