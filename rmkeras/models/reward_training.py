"""Training reward models on ratings: losses, schedule, held-out curves."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from rmkeras.data.pipeline import bucketed_batches
from rmkeras.data.stream import TokenStream
from rmkeras.errors import RmkerasError, options_explained
from rmkeras.losses.pointwise import RaterSpread
from rmkeras.metrics import PearsonCorrelation
from rmkeras.models.bag_of_ngrams import ngram_reward_model
from rmkeras.models.causal_lm import CausalLM
from rmkeras.models.decides import described_model, run_decides
from rmkeras.models.masked_lm import MaskedLM
from rmkeras.models.optimizer import adamw
from rmkeras.models.pretrained import pretrained_reward_model
from rmkeras.models.reward_model import (
    RewardModel,
    lstm_reward_model,
    textbook_lstm_reward_model,
    transformer_reward_model,
)
from rmkeras.models.saving import MODEL_FILE, load_model
from rmkeras.models.training import generator_states, train
from rmkeras.text.tokenizer import SubwordTokenizer

BUILDERS = {
    "lstm": lstm_reward_model,
    "transformer": transformer_reward_model,
    "textbook-lstm": textbook_lstm_reward_model,
    "ngrams": ngram_reward_model,
}
LOSSES = ("huber", "mse", "bce", "raters")
# What each architecture needs to learn well in few passes; found on the
# validation part of the human ratings.
DEFAULTS = {
    "lstm": {"epochs": 6, "learning_rate": 2e-3, "batch_size": 64},
    "textbook-lstm": {"epochs": 6, "learning_rate": 1e-3, "batch_size": 64},
    "transformer": {"epochs": 4, "learning_rate": 1e-3, "batch_size": 64},
    "ngrams": {"epochs": 8, "learning_rate": 1e-2, "batch_size": 64},
    "pretrained": {"epochs": 3, "learning_rate": 1e-4, "batch_size": 32},
}


def compile_reward_model(model, loss, steps, learning_rate, accumulate=1):
    """Compiles with the loss, AdamW and a learning rate annealed to zero.

    huber: ½ e² for |e| ≤ 1, else |e| − ½, of e = r(x) − rating. One rater who
    clicked the wrong end moves it less than mse: e². bce: cross-entropy of
    σ(r(x)) against rating > threshold, computed from the logit. raters: the
    likelihood that uses how much the raters of each text differed.

    Args:
        model: A `RewardModel`.
        loss: `"huber"`, `"mse"`, `"bce"` or `"raters"`.
        steps: Number of updates that the schedule spans.
        learning_rate: Its peak; reached after 5 % of the steps.
        accumulate: Batches whose gradients are averaged for one update.

    Returns:
        The model.
    """
    losses = {
        "huber": keras.losses.Huber(delta=1.0),
        "mse": keras.losses.MeanSquaredError(),
        "bce": keras.losses.BinaryCrossentropy(from_logits=True),
        "raters": RaterSpread(),
    }
    if loss == "bce":
        metrics = [keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")]
    else:
        metrics = [PearsonCorrelation(name="pearson")]
    model.compile(
        optimizer=adamw(learning_rate, steps, accumulate),
        loss=losses[loss],
        metrics=metrics,
        jit_compile=False,
    )
    return model


def build_on_texts(model, texts, tokenizer, vocabulary_size, options):
    """Builds a reward model by name, with a tokeniser.

    Args:
        model: A key of `BUILDERS`, what `load_pretrained` takes, or the folder of a
            reward model or of a language model.
        texts: A function that returns the training texts; a tokeniser is trained
            on them if the model is from scratch and has none.
        tokenizer: A trained tokeniser, or `None`.
        vocabulary_size: The new tokeniser's size.
        options: A dict passed to the builder; `chat_template`, a template's JSON, is
            what the model keeps of how its training texts were written.

    Returns:
        A built `RewardModel`.

    Raises:
        RmkerasError: If the model is unknown.
    """
    options = dict(options)
    template = options.pop("chat_template", None)
    built = _build(model, texts, tokenizer, vocabulary_size, options)
    built.chat_template = template or built.chat_template
    return built


def _build(model, texts, tokenizer, vocabulary_size, options):
    if (Path(model) / MODEL_FILE).is_file():
        # A reward model of ours, to be trained further; or a language model, whose
        # weights one begins with.
        found = load_model(model, (RewardModel, CausalLM, MaskedLM))
        if isinstance(found, RewardModel):
            return found
        return transformer_reward_model(
            found.tokenizer, language_model=found, **options
        )
    if model not in BUILDERS:
        return pretrained_reward_model(model, **options)
    if tokenizer is None:
        tokenizer = SubwordTokenizer.train(texts(), vocabulary_size)
    return BUILDERS[model](tokenizer, **options)


def begin_from(seed, initial_seed=None):
    """Sets the generators for a model that is about to be built.

    Args:
        seed: The run's seed.
        initial_seed: Decides the first weights instead of `seed`, if there is one.
    """
    keras.utils.set_random_seed(seed if initial_seed is None else initial_seed)


def go_apart(model, seed, initial_seed=None):
    """Gives a model that shares its first weights with others a dropout of its own.

    Args:
        model: A built model.
        seed, initial_seed: As in `begin_from`; nothing happens without the second.
    """
    if initial_seed is None:
        return
    keras.utils.set_random_seed(seed)
    draw = np.random.default_rng(seed)
    for state in generator_states(model):
        # A generator's state is its seed and how often it was asked.
        state.assign([draw.integers(2**31), 0])


def recipe(model, epochs=None, batch_size=None, learning_rate=None):
    """Fills in what an architecture needs to learn well in few passes.

    Args:
        model: A key of `BUILDERS`, or anything else for a pretrained model.
        epochs, batch_size, learning_rate: What the user said, or `None`.

    Returns:
        The three of them.
    """
    defaults = DEFAULTS[model if model in BUILDERS else "pretrained"]
    return (
        defaults["epochs"] if epochs is None else epochs,
        defaults["batch_size"] if batch_size is None else batch_size,
        defaults["learning_rate"] if learning_rate is None else learning_rate,
    )


def reward_batches(model, records, batch_size, threshold=0.0, seed=None, epoch=0):
    """Batches `(ids, targets)` of rating records, neighbours in length together.

    Args:
        model: A `RewardModel`, for its tokeniser, length and task.
        records: Objects with `text` and `rating`.
        batch_size: Texts a batch.
        threshold: A classifier's target is 1 where the rating is above it.
        seed: Decides the order with `epoch`; no shuffling if `None`.
        epoch: Number of the epoch.

    Returns:
        A `tf.data.Dataset` of `(batch, length)` int32 and `(batch, 1)` float32.
    """
    rows, targets = encode_ratings(model, records, threshold)
    if isinstance(getattr(model, "loss", None), RaterSpread):
        targets = np.concatenate([targets, variance_of_mean(records)], axis=1)
    return bucketed_batches(
        rows,
        targets,
        batch_size=batch_size,
        shuffle=seed is not None,
        seed=(seed or 0) * 10_007 + epoch,
    )


def encode_ratings(model, records, threshold=0.0):
    """Encodes rating records; prompt and answer are read together.

    Args:
        model: A `RewardModel`.
        records: Objects with `text`, `rating` and perhaps `prompt`.
        threshold: A classifier's target is 1 where the rating is above it.

    Returns:
        `n` lists of ids, and targets `(n, 1)` float32.
    """
    targets = np.array([r.rating for r in records], "float32")
    if model.task == "classification":
        targets = (targets > threshold).astype("float32")
    prompts = [getattr(r, "prompt", None) or "" for r in records]
    return (
        model.encode([r.text for r in records], prompts if any(prompts) else None),
        targets[:, None],
    )


def variance_of_mean(records):
    """How well the mean rating of each text is known: s² / n of its raters.

    Args:
        records: Objects with `ratings`, the single people's; a text with fewer
            than two has the mean variance of the others.

    Returns:
        `(n, 1)` float32.
    """
    values = np.array(
        [
            np.var(r.ratings, ddof=1) / len(r.ratings) if len(r.ratings) > 1 else np.nan
            for r in records
        ],
        "float32",
    )
    known = values[~np.isnan(values)]
    values[np.isnan(values)] = known.mean() if len(known) else 0.0
    return values[:, None]


def train_reward_model(
    records,
    validation=(),
    model="lstm",
    loss="huber",
    threshold=0.0,
    tokenizer=None,
    vocabulary_size=8000,
    epochs=None,
    batch_size=None,
    learning_rate=None,
    accumulate=1,
    seed=0,
    initial_seed=None,
    out=None,
    resume=False,
    language_model=None,
    model_options=None,
    **how,
):
    """Trains a reward model on rating records.

    Args:
        records: Training records with `text`, `rating` and perhaps `prompt`; or,
            for files larger than memory, a function that returns a new iterator
            of them.
        validation: Held-out records for the scores after each epoch.
        model: `"lstm"`, `"transformer"`, `"textbook-lstm"`, or what
            `load_pretrained` takes, such as `"minilm"` or a folder.
        loss: `"huber"`, `"mse"` or `"raters"` for a regressor, `"bce"` for a
            classifier.
        threshold: A classifier's target is 1 where the rating is above it.
        tokenizer: A trained tokeniser; one is trained on the texts if `None`.
        vocabulary_size: That one's size.
        epochs, batch_size, learning_rate: The architecture's defaults if `None`.
        accumulate: Batches whose gradients are averaged for one update.
        seed: Decides weights, dropout and order.
        initial_seed: Decides the first weights instead of `seed`, if given: models
            that are to become one (`average_weights`) have to share it.
        out: Folder for the model, saved on the way; none if `None`.
        resume: Whether to go on from what `out` holds.
        language_model: A `CausalLM` whose weights a Transformer starts from.
        model_options: A dict passed to the builder.
        **how: Passed to `rmkeras.models.training.train`.

    Returns:
        The model and its history.

    Raises:
        RmkerasError: If an option is unknown, or a classifier's targets are all
            alike.
    """
    if loss not in LOSSES:
        raise RmkerasError(f"no loss {loss!r}; expected {', '.join(LOSSES)}")
    if not callable(records):
        records = list(records)
    read = records if callable(records) else lambda: records
    ratings = np.fromiter((r.rating for r in read()), "float32")
    if not len(ratings):
        raise RmkerasError("there are no records to train on")
    begin_from(seed, initial_seed)
    options = dict(model_options or {})
    if loss == "bce":
        positive = float((ratings > threshold).mean())
        if positive in (0.0, 1.0):
            side = "above" if positive else "at or below"
            raise RmkerasError(
                f"every rating is {side} the threshold {threshold}, so there is "
                "nothing to tell apart; choose another --threshold"
            )
        options["task"] = "classification"
    else:
        options["shift"] = float(ratings.mean())
        options["scale"] = float(ratings.std()) or 1.0
    if language_model is not None:
        tokenizer = language_model.tokenizer
        options["language_model"] = language_model
    with options_explained():
        built = build_on_texts(
            model, lambda: (r.text for r in read()), tokenizer, vocabulary_size, options
        )
    if built.aspects:
        raise RmkerasError(
            f"{model} judges {', '.join(built.aspects)}, and these ratings are of no "
            "aspect, or of one alone; give ratings with a field 'aspect', or another "
            "--model"
        )
    go_apart(built, seed, initial_seed)
    epochs, batch_size, rate = recipe(model, epochs, batch_size, learning_rate)
    if callable(records) or built.unpads:
        steps = -(-len(ratings) // batch_size)
    else:
        steps = int(reward_batches(built, records, batch_size).cardinality())
    # Compiled before the batches are made: the loss says what a target is.
    compile_reward_model(built, loss, steps * epochs, rate, accumulate)
    batches = _batches(built, records, batch_size, threshold, seed)
    held_out = None
    if callable(validation):
        validation = list(validation())
    if len(validation):
        held_out = reward_batches(built, list(validation), 256, threshold)
    decides = run_decides(
        out,
        records,
        kind="ratings",
        model=described_model(model),
        loss=loss,
        threshold=threshold,
        learning_rate=rate,
        batch_size=batch_size,
        accumulate=accumulate,
        seed=seed,
        initial_seed=initial_seed,
        vocabulary_size=vocabulary_size,
        model_options=model_options or {},
    )
    return train(
        built,
        batches,
        epochs,
        held_out,
        out=out,
        resume=resume,
        **{"label": str(model), "decides": decides, **how},
    )


def _batches(model, records, batch_size, threshold, seed):
    """A function from the epoch to its batches, in memory or streamed."""
    if not callable(records) and not model.unpads:
        return lambda epoch: reward_batches(
            model, records, batch_size, threshold, seed, epoch
        )

    def encode(chunk):
        rows, targets = encode_ratings(model, chunk, threshold)
        if isinstance(getattr(model, "loss", None), RaterSpread):
            targets = np.concatenate([targets, variance_of_mean(chunk)], axis=1)
        return [[row] for row in rows], targets

    stream = TokenStream(records, encode, balance=model.unpads)
    return lambda epoch: stream.dataset(batch_size, seed, epoch)
