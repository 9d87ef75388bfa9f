"""Training reward models on comparisons."""

from __future__ import annotations

import numpy as np

from rmkeras.data.encode import EncodingReport, iter_encoded_pairs
from rmkeras.data.stream import NothingLeft, TokenStream
from rmkeras.errors import RmkerasError, options_explained
from rmkeras.losses.pairwise import BradleyTerry
from rmkeras.metrics import PairwiseAccuracy
from rmkeras.models.decides import described_model, run_decides
from rmkeras.models.optimizer import adamw
from rmkeras.models.reward_training import (
    BUILDERS,
    begin_from,
    build_on_texts,
    go_apart,
)
from rmkeras.models.training import train

# One or two passes: a comparison teaches little, and is soon known by heart.
DEFAULTS = {
    "lstm": {"epochs": 3, "learning_rate": 1e-3, "batch_size": 32},
    "textbook-lstm": {"epochs": 3, "learning_rate": 1e-3, "batch_size": 32},
    "transformer": {"epochs": 2, "learning_rate": 5e-4, "batch_size": 32},
    "ngrams": {"epochs": 3, "learning_rate": 3e-3, "batch_size": 16},
    "pretrained": {"epochs": 2, "learning_rate": 1e-4, "batch_size": 16},
}


class PairEncoder:
    """Turns comparisons into ids and targets, and counts what was cut.

    Args:
        model: A `RewardModel`, for its tokeniser and length.

    Attributes:
        report: An `EncodingReport` of the first pass over the data.
    """

    def __init__(self, model):
        self.tokenizer = model.tokenizer
        self.max_length = model.max_length
        self.report = EncodingReport(max_length=model.max_length)
        self.counting = True

    def __call__(self, preferences):
        """Encodes a list of `Preference`.

        Returns:
            For each pair that is kept its two lists of ids, and the targets
            `(kept, 2)`: the share of raters who preferred the chosen answer, and
            the margin.
        """
        # The report of the whole file, not of this chunk: one whose pairs are all
        # left out is no reason to refuse the others.
        report = self.report if self.counting else EncodingReport()
        before = report.pairs
        encoded = list(
            iter_encoded_pairs(
                self.tokenizer,
                preferences,
                self.max_length,
                self.tokenizer.start_ids,
                report,
                none_left=True,
            )
        )
        rows = [(pair.chosen, pair.rejected) for pair in encoded]
        kept = [preferences[pair.position - before] for pair in encoded]
        targets = [(p.probability, p.margin or 0.0) for p in kept]
        return rows, np.array(targets, "float32").reshape(-1, 2)


def pair_stream(model, preferences, **options):
    """Batches of comparisons for a reward model.

    Args:
        model: A `RewardModel`.
        preferences: A list of `Preference`, or a function that returns a new
            iterator of them, for files larger than memory.
        **options: `chunk` and `keep_tokens` of `TokenStream`.

    Returns:
        A `TokenStream` of ids `(batch, 2, length)` and targets `(batch, 2)`, and
        the `EncodingReport`.

    Raises:
        RmkerasError: If no comparison is left.
    """
    encoder = PairEncoder(model)
    try:
        stream = TokenStream(
            preferences, encoder, **{"balance": model.unpads, **options}
        )
    except NothingLeft as error:
        if not encoder.report.pairs:
            raise
        raise RmkerasError(
            f"no comparison is left to learn from: {encoder.report}"
        ) from error
    encoder.counting = False
    return stream, encoder.report


def train_preference_model(
    preferences,
    validation=(),
    model="lstm",
    label_smoothing=0.0,
    centering=0.01,
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
    say=lambda line: None,
    **how,
):
    """Trains a reward model on comparisons with the Bradley–Terry loss.

    Chosen and rejected go through the network in one pass. Comparisons say nothing
    about the level of the rewards; `centering` only draws it towards 0. Where a mean
    of 0 matters, use `LearnedReward.normalized` on samples of the policy.

    Args:
        preferences: A list of `Preference`, or a function that returns a new
            iterator of them (`lambda: iter_records(path)`): then no more than a
            chunk is in memory.
        validation: Held-out comparisons for the scores after each epoch.
        model: `"lstm"`, `"transformer"`, `"textbook-lstm"`, or what
            `load_pretrained` takes, such as `"minilm"` or a folder.
        label_smoothing, centering: See `BradleyTerry`.
        tokenizer: A trained tokeniser for models from scratch; one is trained on
            the texts if `None`.
        vocabulary_size: That one's size.
        epochs, batch_size, learning_rate: The architecture's defaults if `None`.
        accumulate: Batches whose gradients are averaged for one update.
        seed: Decides weights, dropout and order.
        initial_seed: See `train_reward_model`.
        out: Folder for the model, saved on the way; none if `None`.
        resume: Whether to go on from what `out` holds.
        model_options: A dict passed to the builder.
        say: Takes one line about what was cut or left out.
        **how: Passed to `rmkeras.models.training.train`.

    Returns:
        The model and its history.

    Raises:
        RmkerasError: If an option is unknown, or no comparison is left.
    """
    if not callable(preferences):
        preferences = list(preferences)
        if not preferences:
            raise RmkerasError("there are no comparisons to train on")
    begin_from(seed, initial_seed)
    options = dict(model_options or {})
    if model in BUILDERS:
        options.setdefault("max_length", 256)
    with options_explained():
        loss = BradleyTerry(label_smoothing, centering)
        built = build_on_texts(
            model, lambda: _texts(preferences), tokenizer, vocabulary_size, options
        )
    go_apart(built, seed, initial_seed)
    defaults = DEFAULTS[model if model in BUILDERS else "pretrained"]
    epochs = defaults["epochs"] if epochs is None else epochs
    batch_size = defaults["batch_size"] if batch_size is None else batch_size
    rate = defaults["learning_rate"] if learning_rate is None else learning_rate
    stream, report = pair_stream(built, preferences)
    say(str(report))
    steps = stream.steps(batch_size) * epochs
    built.compile(
        optimizer=adamw(rate, steps, accumulate),
        loss=loss,
        metrics=[PairwiseAccuracy()],
        jit_compile=False,
    )
    held_out = None
    if callable(validation) or len(validation):
        held_out, _ = pair_stream(built, validation)
        held_out = held_out.dataset(64)
    decides = run_decides(
        out,
        preferences,
        kind="comparisons",
        model=described_model(model),
        loss="bradley-terry",
        label_smoothing=label_smoothing,
        centering=centering,
        learning_rate=rate,
        batch_size=batch_size,
        accumulate=accumulate,
        seed=seed,
        initial_seed=initial_seed,
        vocabulary_size=vocabulary_size,
        model_options=options,
    )
    trained, history = train(
        built,
        lambda epoch: stream.dataset(batch_size, seed, epoch),
        epochs,
        held_out,
        out=out,
        resume=resume,
        **{"label": str(model), "decides": decides, **how},
    )
    return trained, {**history, "encoding": report.to_dict()}


def _texts(preferences):
    records = preferences() if callable(preferences) else preferences
    for p in records:
        yield f"{p.prompt}{p.chosen}"
        yield p.rejected
