"""Training reward models on ratings of several aspects."""

from __future__ import annotations

import numpy as np

from rmkeras.data.aspects import aspect_names, check_aspects, gather_aspects
from rmkeras.data.pipeline import bucketed_batches
from rmkeras.data.stream import TokenStream
from rmkeras.errors import RmkerasError, options_explained
from rmkeras.losses.multitask import KINDS, AspectLoss
from rmkeras.metrics import PearsonCorrelation
from rmkeras.models.aspect_model import AspectRewardModel
from rmkeras.models.decides import described_model, run_decides
from rmkeras.models.optimizer import adamw
from rmkeras.models.reward_training import (
    begin_from,
    build_on_texts,
    go_apart,
    recipe,
)
from rmkeras.models.training import train


def train_aspect_model(
    records,
    validation=(),
    model="lstm",
    aspects=None,
    loss="huber",
    threshold=0.0,
    balance="fixed",
    weights=None,
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
    model_options=None,
    **how,
):
    """Trains one trunk with a head for each aspect that was rated.

    Rows about one text are read together, so that the trunk sees the text once
    however many aspects were rated. An aspect that nobody rated of a text is left
    out of the loss.

    Args:
        records: `Rating`s with an `aspect`; or, for files larger than memory, a
            function that returns a new iterator of them.
        validation: Held-out records for the scores after each epoch.
        model: As in `train_reward_model`, or the folder of an `AspectRewardModel`
            to train further. Of a plain reward model the trunk is taken.
        aspects: Those to learn; all that were rated if `None`.
        loss: `"huber"`, `"mse"`, or `"bce"` for classifiers of rating >
            `threshold`.
        threshold: See there; one for all aspects.
        balance: How the aspects' losses are weighed against each other:
            `"fixed"`, `"learned"` or `"adaptive"`; see `AspectRewardModel`.
        weights: A dict from aspect to its weight in the reward; those that are
            left out weigh 1, and all are divided by their sum. Equal if `None`.
        tokenizer, vocabulary_size, epochs, batch_size, learning_rate, accumulate,
            seed, initial_seed, out, resume, model_options: As in `train_reward_model`.
        **how: Passed to `rmkeras.models.training.train`.

    Returns:
        An `AspectRewardModel` and its history.

    Raises:
        RmkerasError: If an option or an aspect is unknown, there are fewer than two
            aspects, or a classifier's targets are all alike.
    """
    if loss not in KINDS:
        raise RmkerasError(
            f"--loss {loss} is not for several aspects; expected {', '.join(KINDS)}"
        )
    if not callable(records):
        records = list(records)
    aspects = _chosen(aspects, aspect_names(records))
    texts = gather_aspects(records, aspects)
    read = texts if callable(texts) else lambda: texts
    count, mean, spread, above = _statistics(read, aspects, threshold)
    begin_from(seed, initial_seed)
    task = "classification" if loss == "bce" else "regression"
    options = {"task": task}
    if loss == "bce":
        for name, share in zip(aspects, above, strict=True):
            if share in (0.0, 1.0):
                side = "above" if share else "at or below"
                raise RmkerasError(
                    f"every rating of {name!r} is {side} the threshold {threshold}, so "
                    "there is nothing to tell apart; choose another --threshold"
                )
    else:
        options |= {"scale": spread, "shift": mean}
    with options_explained():
        built = build_on_texts(
            model,
            lambda: (text.text for text in read()),
            tokenizer,
            vocabulary_size,
            dict(model_options or {}),
        )
    if built.aspects:
        check_aspects(built.aspects, aspects)
        aspects = built.aspects
        if built.task != task:
            raise RmkerasError(
                f"{model} was trained for {built.task}, which --loss {loss} is not for"
            )
    else:
        options |= {"weights": _weights(weights, aspects), "balance": balance}
        template = built.chat_template
        built = AspectRewardModel.on_trunk(built, aspects, **options)
        built.chat_template = template
    go_apart(built, seed, initial_seed)
    epochs, batch_size, rate = recipe(model, epochs, batch_size, learning_rate)
    make = _batches(built, texts, batch_size, threshold, seed)
    steps = int(make(0).cardinality())
    compile_aspect_model(built, loss, steps * epochs, rate, accumulate)
    held_out = None
    if callable(validation):
        validation = list(validation())
    if len(validation):
        check_aspects(built.aspects, aspect_names(validation))
        rows, targets = encode_aspects(built, gather_aspects(validation), threshold)
        held_out = bucketed_batches(rows, targets, batch_size=256, shuffle=False)
    decides = run_decides(
        out,
        records,
        kind="ratings of aspects",
        model=described_model(model),
        aspects=aspects,
        loss=loss,
        threshold=threshold,
        balance=balance,
        weights=weights or {},
        learning_rate=rate,
        batch_size=batch_size,
        accumulate=accumulate,
        seed=seed,
        initial_seed=initial_seed,
        vocabulary_size=vocabulary_size,
        model_options=model_options or {},
    )
    trained, history = train(
        built,
        make,
        epochs,
        held_out,
        out=out,
        resume=resume,
        after_epoch=lambda model: model.adapt(),
        **{"label": str(model), "decides": decides, **how},
    )
    return trained, {**history, "aspects": list(aspects), "texts": count}


def compile_aspect_model(model, loss, steps, learning_rate, accumulate=1):
    """Compiles with `AspectLoss`, AdamW and a correlation for each aspect.

    Args:
        model: An `AspectRewardModel`.
        loss: `"huber"`, `"mse"` or `"bce"`.
        steps: Number of updates that the schedule spans.
        learning_rate: Its peak.
        accumulate: Batches whose gradients are averaged for one update.

    Returns:
        The model.
    """
    model.compile(
        optimizer=adamw(learning_rate, steps, accumulate),
        loss=AspectLoss(loss),
        metrics=[
            PearsonCorrelation(name=f"pearson_{name}", column=i)
            for i, name in enumerate(model.aspects)
        ],
        jit_compile=False,
    )
    return model


def encode_aspects(model, texts, threshold=0.0):
    """Encodes gathered ratings; prompt and answer are read together.

    Args:
        model: An `AspectRewardModel`.
        texts: `n` `RatedAspects`.
        threshold: A classifier's target is 1 where the rating is above it.

    Returns:
        `n` lists of ids, and targets `(n, aspects)` float32, NaN where unrated.
    """
    targets = np.stack([text.row(model.aspects) for text in texts])
    if model.task == "classification":
        above = (targets > threshold).astype("float32")
        targets = np.where(np.isnan(targets), targets, above)
    prompts = [text.prompt or "" for text in texts]
    rows = model.encode([t.text for t in texts], prompts if any(prompts) else None)
    return rows, targets


def _chosen(aspects, rated):
    unknown = sorted(set(aspects or ()) - set(rated))
    if unknown:
        raise RmkerasError(
            f"nobody rated {', '.join(map(repr, unknown))}; the ratings are of "
            f"{', '.join(map(repr, rated))}"
        )
    aspects = tuple(dict.fromkeys(aspects or rated))
    if len(aspects) < 2:
        raise RmkerasError(
            f"ratings of {', '.join(map(repr, aspects)) or 'nothing'} alone; a model "
            "of several aspects needs two or more. Leave out --aspects"
        )
    return aspects


def _weights(weights, aspects):
    weights = dict(weights or {})
    if unknown := sorted(set(weights) - set(aspects)):
        raise RmkerasError(
            f"a weight for {', '.join(map(repr, unknown))}; the aspects are "
            f"{', '.join(aspects)}"
        )
    found = np.array([float(weights.get(name, 1.0)) for name in aspects])
    if not np.isfinite(found).all() or found.sum() <= 0:
        raise RmkerasError(
            f"the aspects' weights are {found.tolist()}; expected numbers with a sum "
            "above 0"
        )
    return (found / found.sum()).tolist()


def _statistics(read, aspects, threshold):
    """Number of texts; mean, spread and share above the threshold of each aspect."""
    texts, count, total, squares, above = 0, 0.0, 0.0, 0.0, 0.0
    for text in read():
        row = text.row(aspects).astype("float64")
        rated = ~np.isnan(row)
        row = np.where(rated, row, 0.0)
        texts += 1
        count, total, squares = count + rated, total + row, squares + row**2
        above = above + (rated & (row > threshold))
    if not texts:
        raise RmkerasError("there are no records to train on")
    mean = total / count
    # What is left of a constant's variance is rounding, not spread.
    variance = squares / count - mean**2
    constant = variance <= 1e-12 * (squares / count)
    spread = np.where(constant, 1.0, np.sqrt(np.maximum(variance, 0.0)))
    return texts, mean.tolist(), spread.tolist(), above / count


def _batches(model, texts, batch_size, threshold, seed):
    """A function from the epoch to its batches, in memory or streamed."""
    if callable(texts) or model.unpads:

        def encode(chunk):
            rows, targets = encode_aspects(model, chunk, threshold)
            return [[row] for row in rows], targets

        stream = TokenStream(texts, encode, balance=model.unpads)
        return lambda epoch: stream.dataset(batch_size, seed, epoch)
    rows, targets = encode_aspects(model, texts, threshold)
    return lambda epoch: bucketed_batches(
        rows, targets, batch_size=batch_size, shuffle=True, seed=seed * 10_007 + epoch
    )
