"""Supervised fine-tuning: a language model learns to answer prompts."""

from __future__ import annotations

import keras

from rmkeras.errors import RmkerasError
from rmkeras.models.decides import run_decides
from rmkeras.models.language_model import (
    compile_language_model,
    packed_language_batches,
)
from rmkeras.models.training import train
from rmkeras.text.tokenizer import PAD_ID

SEPARATOR = "\n"


def encode_completions(model, records):
    """Turns prompts and completions into ids and labels.

    Prompt and completion are tokenised apart and put together, so that no token
    reaches across: the prompt is then the very list of ids that sampling starts
    from. What is too long loses the prompt's beginning; only where a completion
    alone does not fit is its end cut off.

    Args:
        model: A `CausalLM` or `RecurrentLM`.
        records: `PromptCompletion` records.

    Returns:
        Rows of ids, `start + prompt + separator + completion + end`; labels, the
        same rows with 0 up to the completion; and a dict that counts
        `cut_prompts` and `cut_completions`.

    Example:

    >>> from rmkeras.data import PromptCompletion
    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.models.sft import encode_completions
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["hot cold"] * 3, vocabulary_size=270)
    >>> model = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2)
    >>> rows, labels, _ = encode_completions(model, [PromptCompletion("hot", "cold")])
    >>> [bool(i) for i in labels[0]] == [i > 1 for i in range(len(rows[0]))]
    True
    """
    limit = model.max_length + 1  # The last token is predicted, but never read.
    start = model.start_ids
    prompts = model.encode_prompts([r.prompt for r in records])
    completions = model.tokenizer.encode([r.completion for r in records], end=True)
    rows, labels = [], []
    counts = {"cut_prompts": 0, "cut_completions": 0}
    for prompt, completion in zip(prompts, completions, strict=True):
        prompt = prompt[len(start) :]
        room = limit - len(start)
        if len(completion) > room:
            completion = [*completion[: room - 1], completion[-1]]
            counts["cut_completions"] += 1
        if len(prompt) > room - len(completion):
            prompt = prompt[len(prompt) - (room - len(completion)) :]
            counts["cut_prompts"] += 1
        rows.append([*start, *prompt, *completion])
        labels.append([PAD_ID] * (len(start) + len(prompt)) + completion)
    return rows, labels, counts


def train_sft(
    model,
    records,
    validation=(),
    epochs=6,
    batch_size=8,
    learning_rate=1e-3,
    accumulate=1,
    separator=SEPARATOR,
    seed=0,
    say=lambda line: None,
    **how,
):
    """Fine-tunes a language model on prompts and their completions.

    L = −1/T Σ_t log p(y_t | x, y_<t) over the tokens of the completions alone: the
    model should learn to answer, not to ask. Pairs share rows without seeing each
    other (`pack_rows`).

    Args:
        model: A `CausalLM` or `RecurrentLM`. A recurrent model carries its state
            along a row, so it gets one pair a row.
        records: `PromptCompletion` records.
        validation: Held-out records for the loss after each epoch.
        epochs: Passes over the records.
        batch_size: Rows of `model.max_length` tokens a batch.
        learning_rate: Peak learning rate.
        accumulate: Batches whose gradients are averaged for one update.
        separator: What is put between prompt and completion; it is saved with the
            model, and samplers put it there too.
        seed: Decides dropout and order.
        say: Takes one line about what was cut.
        **how: Passed to `rmkeras.models.training.train`; `decides` is added to
            what is known here.

    Returns:
        The model and its history.

    Raises:
        RmkerasError: If there are no records.

    Source: Ouyang et al. (2022), section 3.4, for the step; Radford et al. (2018),
    section 3.2, for the loss.
    """
    records = list(records)
    if not records:
        raise RmkerasError("there are no prompts and completions to train on")
    keras.utils.set_random_seed(seed)
    model.separator = separator
    rows, labels, counts = encode_completions(model, records)
    if any(counts.values()):
        say(
            f"{counts['cut_prompts']} prompts lost their beginning and "
            f"{counts['cut_completions']} completions their end to fit "
            f"{model.max_length} tokens"
        )
    batches = packed_language_batches(model, rows, batch_size, labels)
    steps = int(batches().cardinality())
    compile_language_model(model, steps * epochs, learning_rate, accumulate)
    held_out = None
    if len(validation):
        rows, labels, _ = encode_completions(model, list(validation))
        held_out = packed_language_batches(model, rows, batch_size, labels)()
    decides = run_decides(
        how.get("out"),
        records,
        kind="fine-tuning",
        architecture=type(model).__name__,
        separator=separator,
        learning_rate=learning_rate,
        batch_size=batch_size,
        accumulate=accumulate,
        seed=seed,
        **(how.pop("decides", None) or {}),
    )
    trained, history = train(
        model,
        lambda epoch: batches(seed, epoch),
        epochs,
        held_out,
        decides=decides,
        **{"label": "fine-tuning", **how},
    )
    return trained, {**history, "encoding": counts}
