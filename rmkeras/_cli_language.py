"""The commands `train-lm`, `sft` and `generate`."""

from __future__ import annotations

import sys
from pathlib import Path

from rmkeras._cli_options import (
    HUMAN_RATINGS,
    LEAST_VOCABULARY,
    add_json,
    add_template,
    number_in,
    positive,
    positive_float,
    template_of,
    whole_number,
)
from rmkeras._cli_training import (
    add_run_options,
    begin,
    read_by_tensorflow,
    run_options,
    set_precision,
)
from rmkeras.errors import RmkerasError
from rmkeras.quiet import import_tensorflow

SFT_PAIRS = "sft-pairs"


def add_commands(commands) -> None:
    """Adds the commands.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    train = commands.add_parser(
        "train-lm",
        help="pretrain a language model on texts",
        description="Train a language model on a text file (documents set apart by "
        "empty lines, or one a line), on the texts of any feedback file, on a prepared "
        "TFDS text set (tfds:NAME/CONFIG:SPLIT, nothing is downloaded), or on those of "
        "the human ratings. Ctrl-C saves what was learned; --resume goes on to the "
        "same result.",
    )
    add = train.add_argument
    add("--data", metavar="FILE|tfds:NAME|human-ratings", required=True)
    add("--valid", metavar="FILE|tfds:NAME", help="held-out texts to report on")
    add(
        "--model",
        default="transformer",
        metavar="NAME|DIR",
        help="transformer, lstm or gru, from nothing; or a GPT-2 to train further: a "
        "KerasHub preset, a Hugging Face, KerasHub or rmkeras folder "
        "(default: transformer)",
    )
    add(
        "--objective",
        choices=["causal", "masked"],
        default="causal",
        help="guess the next token, or hidden ones from both sides as BERT does "
        "(for a reward model to start from; it cannot generate)",
    )
    add("--dim", type=positive, default=128, help="width of the model")
    add("--layers", type=positive, default=2)
    add("--heads", type=positive, default=4)
    add("--units", type=positive, default=256, help="width of an lstm's or gru's state")
    add("--max-length", type=positive, default=64, help="longest text in tokens")
    add("--vocabulary-size", type=whole_number(LEAST_VOCABULARY), default=3072)
    add("--positions", choices=["learned", "rotary"], default="learned")
    add("--norm", choices=["layer", "rms"], default="layer")
    add("--dropout", type=number_in(0.0, 1.0, open_at=(1.0,)), default=0.0)
    add(
        "--data-service",
        metavar="HOST:PORT",
        help="let the worker of this tf.data dispatcher make the batches",
    )
    _add_training(train, epochs=2, batch_size=16, learning_rate=3e-3)
    train.set_defaults(handler=_train_lm)

    sft = commands.add_parser(
        "sft",
        help="fine-tune a language model on prompts and completions",
        description="Fine-tune a language model on a file of prompts and completions, "
        "or on the pairs that come with rmkeras. Only completions are learned.",
    )
    add = sft.add_argument
    add("--data", metavar="FILE|sft-pairs", required=True)
    add("--valid", metavar="FILE", help="held-out pairs to report on")
    add("--model", metavar="DIR", required=True, help="a language model's folder")
    _add_training(sft, epochs=6, batch_size=8, learning_rate=1e-3)
    sft.set_defaults(handler=_sft)

    generate = commands.add_parser(
        "generate",
        help="sample from a language model",
        description="Sample texts from a language model, one a line; in a terminal "
        "they appear as they are drawn.",
    )
    add = generate.add_argument
    add("model", metavar="DIR")
    add("--prompt", metavar="TEXT", help="text to go on from, or to answer")
    add("--n", type=positive, default=5)
    add("--max-new-tokens", type=positive, default=32)
    add("--temperature", type=float, default=1.0)
    add("--top-k", type=int, default=0, help="draw among the k likeliest; 0 for all")
    add("--top-p", type=float, default=1.0, help="draw among the nucleus of this mass")
    add("--repetition-penalty", type=float, default=1.0)
    add("--seed", type=int, default=0)
    add(
        "--guard",
        metavar="DIR",
        help="a reward model; samples that it scores below --threshold are marked",
    )
    add(
        "--threshold",
        type=float,
        metavar="X",
        help="for --guard (default: 0.5 for a classifier, else 0)",
    )
    add("--with-prompts", action="store_true", help="the guard reads the prompt too")
    add_json(generate)
    generate.set_defaults(handler=_generate)


def _add_training(parser, epochs, batch_size, learning_rate):
    add = parser.add_argument
    add("--epochs", type=positive, default=epochs)
    add("--batch-size", type=positive, default=batch_size, help="rows of --max-length")
    add(
        "--learning-rate",
        type=positive_float,
        default=learning_rate,
        help=f"its peak (default: {learning_rate:g})",
    )
    add_template(parser)
    add_run_options(parser)


def _train_lm(arguments):
    from rmkeras.cli import say
    from rmkeras.data.texts import read_corpus

    _check_shape(arguments)
    how, template = run_options(arguments), template_of(arguments)
    begun, valid = None, []
    if read_by_tensorflow(arguments.data, arguments.valid):
        begun = begin(arguments)
    if arguments.data == HUMAN_RATINGS:
        from rmkeras.data import load_human_ratings

        texts = [r.text for r in load_human_ratings("train")]
        valid = [r.text for r in load_human_ratings("validation")]
    else:
        texts = read_corpus(arguments.data, say, template)
    if arguments.valid:
        valid = read_corpus(arguments.valid, say, template)
    keras, how["strategy"], chief = begun or begin(arguments)
    set_precision(keras, arguments.precision, say)
    if arguments.objective == "masked":
        return _train_masked(arguments, texts, valid, how, chief)
    from rmkeras.models.decides import described_model
    from rmkeras.models.language_model import perplexity, train_language_model

    options, scratch = {}, ("transformer", "lstm", "gru")
    if arguments.model in scratch:
        options = {
            "architecture": arguments.model,
            "vocabulary_size": arguments.vocabulary_size,
            "dim": arguments.dim,
            "num_layers": arguments.layers,
            "num_heads": arguments.heads,
            "max_length": arguments.max_length,
            "dropout": arguments.dropout,
        }
        options["model_options"] = {"units": arguments.units}
        if arguments.model == "transformer":
            kinds = {"positions": arguments.positions, "norm": arguments.norm}
            options["model_options"] = kinds
    else:
        options["model"] = load_language_model(arguments.model)
        options["decides"] = {"model": described_model(arguments.model)}
    packed = not _is_recurrent(options)
    options["data_service"] = arguments.data_service
    model, history = train_language_model(texts, valid, packed=packed, **options, **how)
    if not chief:
        return 0
    result = _last(arguments, history, len(texts))
    if valid:
        result["perplexity"] = perplexity(model, valid)
    _report(arguments, result, "texts")
    return 0


def _check_shape(arguments):
    """Says at once what the model would say after the data and TensorFlow."""
    if arguments.model != "transformer":
        return
    width, rest = divmod(arguments.dim, arguments.heads)
    if rest:
        raise RmkerasError(
            f"--dim {arguments.dim} is not divisible by --heads {arguments.heads}; "
            f"choose another, such as --dim {arguments.heads * max(1, width)}"
        )
    if arguments.positions == "rotary" and width % 2:
        raise RmkerasError(
            f"--dim {arguments.dim} over --heads {arguments.heads} makes heads {width} "
            "wide; --positions rotary needs an even width"
        )


def _train_masked(arguments, texts, valid, how, chief):
    from rmkeras.models.masked_lm import masked_scores, train_masked_model

    if arguments.data_service:
        raise RmkerasError("--data-service is for --objective causal")
    if arguments.model != "transformer":
        raise RmkerasError(
            f"--objective masked is for --model transformer, not {arguments.model}"
        )
    options = {
        "dim": arguments.dim,
        "num_layers": arguments.layers,
        "num_heads": arguments.heads,
        "max_length": arguments.max_length,
        "dropout": arguments.dropout,
        "positions": arguments.positions,
        "norm": arguments.norm,
    }
    model, history = train_masked_model(
        texts, valid, arguments.vocabulary_size, model_options=options, **how
    )
    if not chief:
        return 0
    result = _last(arguments, history, len(texts))
    if valid:
        result |= masked_scores(model, valid)
    _report(arguments, result, "texts")
    return 0


def _is_recurrent(options):
    from rmkeras.models import RecurrentLM

    architecture = options.get("architecture", "")
    return architecture in ("lstm", "gru") or isinstance(
        options.get("model"), RecurrentLM
    )


def load_language_model(name):
    """Loads a language model from our own folder, or a GPT-2 from elsewhere.

    Args:
        name: A folder, a `.keras` file, or a KerasHub preset.

    Returns:
        A `CausalLM` or a `RecurrentLM`.
    """
    from rmkeras.models import CausalLM, RecurrentLM, load_model
    from rmkeras.models.gpt2 import load_gpt2

    if (Path(name) / "model.keras").exists() or str(name).endswith(".keras"):
        return load_model(name, (CausalLM, RecurrentLM))
    return load_gpt2(name)


def _sft(arguments):
    from rmkeras.cli import say
    from rmkeras.data.usable import usable_records

    how = run_options(arguments)
    template = template_of(arguments, arguments.model)

    def read(name):
        kind, records = usable_records(name, say, template=template)
        if kind != "prompt-completion":
            raise RmkerasError(
                f"{name} holds records of type {kind}; expected prompt-completion: "
                "fields prompt and completion"
            )
        return list(records() if callable(records) else records)

    valid = []
    if arguments.data == SFT_PAIRS:
        from rmkeras.data import load_sft_pairs

        records, valid = load_sft_pairs("train"), load_sft_pairs("test")
    else:
        records = read(arguments.data)
    if arguments.valid:
        valid = read(arguments.valid)
    keras, how["strategy"], chief = begin(arguments)
    set_precision(keras, arguments.precision, say)
    from rmkeras.metrics import answer_scores
    from rmkeras.models.decides import described_model
    from rmkeras.models.sft import train_sft
    from rmkeras.rl import Sampler

    model = load_language_model(arguments.model)
    if template is not None:
        model.chat_template = template.to_json()
    decides = {"model": described_model(arguments.model)}
    model, history = train_sft(model, records, valid, say=say, decides=decides, **how)
    if not chief:
        return 0
    result = _last(arguments, history, len(records))
    if valid:
        room = min(40, model.max_length // 2)
        longest = model.max_length + 1 - room
        prompts = model.encode_prompts([r.prompt for r in valid])
        fits = [i for i, row in enumerate(prompts) if len(row) <= longest]
        sampler = Sampler(model, room, temperature=1e-4)
        answers = sampler.texts([prompts[i] for i in fits])
        result |= answer_scores(answers, [valid[i].completion for i in fits])
    _report(arguments, result, "pairs")
    return 0


def _last(arguments, history, count):
    last = {k: v[-1] for k, v in history.items() if isinstance(v, list) and v}
    result = {"out": str(arguments.out), "n": count, **last}
    if "encoding" in history:
        result["encoding"] = history["encoding"]
    return result | {"seconds": history["seconds"]}


def _report(arguments, result, what):
    from rmkeras.cli import print_json

    if arguments.json:
        print_json(result)
        return
    names = ("loss", "val_loss", "perplexity", "exact_match", "chrf")
    names += ("masked_accuracy", "masked_perplexity")
    scores = ", ".join(f"{k} {result[k]:.4f}" for k in names if k in result)
    print(f"Trained on {result['n']:,} {what}: {scores}")
    masked = getattr(arguments, "objective", "causal") == "masked"
    use = "train-reward --model" if masked else "generate"
    print(f"Saved in {result['out']}; use it with: rmkeras {use} {result['out']}")


def _generate(arguments):
    if arguments.threshold is not None and not arguments.guard:
        raise RmkerasError("--threshold is for --guard; name a reward model with it")
    import_tensorflow()
    from rmkeras._cli_guard import Guard
    from rmkeras.cli import print_json, say
    from rmkeras.rl import Sampler

    guard = None
    if arguments.guard:
        guard = Guard(arguments.guard, arguments.threshold, arguments.with_prompts)
    model = load_language_model(arguments.model)
    prompt = arguments.prompt or ""
    # Between a prompt and a completion that was learned as an answer, a new line.
    joint = "" if not prompt else (model.separator or " ")
    try:
        sampler = Sampler(
            model,
            arguments.max_new_tokens,
            arguments.temperature,
            arguments.top_k,
            arguments.top_p,
            arguments.repetition_penalty,
        )
        if sys.stdout.isatty() and not arguments.json:
            for row in range(arguments.n):
                print(f"{prompt}{joint}", end="", flush=True)
                pieces = []
                for piece in sampler.stream(prompt, arguments.seed, first_row=row):
                    print(piece, end="", flush=True)
                    pieces.append(piece)
                mark = guard.marks(["".join(pieces)], prompt)[0] if guard else ""
                print(mark and f"  {mark}")
            return 0
        texts = sampler.texts([prompt] * arguments.n, seed=arguments.seed)
    except ValueError as error:
        raise RmkerasError(str(error)) from error
    result = {"prompt": arguments.prompt, "texts": texts}
    marks = [""] * len(texts)
    if guard:
        marks = guard.marks(texts, prompt)
        result |= guard.last
    if arguments.json:
        print_json(result)
        return 0
    for text, mark in zip(texts, marks, strict=True):
        print(f"{prompt}{joint}{text}" + (mark and f"  {mark}"))
    if any(marks):
        say(f"{sum(map(bool, marks))} of {len(texts)} samples are marked")
    return 0
