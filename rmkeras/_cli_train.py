"""The command `train-reward`."""

from __future__ import annotations

from pathlib import Path

from rmkeras._cli_options import (
    HUMAN_RATINGS,
    LEAST_VOCABULARY,
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

POINTWISE = ("huber", "mse", "bce", "raters")
LOSSES = (*POINTWISE, "bradley-terry")
BALANCES = ("fixed", "learned", "adaptive")
# What begins with random weights; the names of `reward_training.BUILDERS`, which is
# not imported here: options are checked before anything slow is.
SCRATCH = ("lstm", "transformer", "textbook-lstm", "ngrams")
TRAINABLE = ("rating", "preference", "unpaired-preference", "stepwise")


def add_commands(commands) -> None:
    """Adds the command.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    train = commands.add_parser(
        "train-reward",
        help="train a reward model on ratings, comparisons or labels",
        description="Train a reward model on a feedback file or on the human ratings. "
        "What the file's fields say decides the task: ratings, comparisons, good and "
        "bad answers, or steps. Ratings of two or more aspects train one trunk with a "
        "head for each. Ctrl-C saves what was learned; --resume goes on to the same "
        "result.",
    )
    add = train.add_argument
    add("--data", metavar="FILE|human-ratings", required=True)
    add("--valid", metavar="FILE", help="held-out records to report on")
    add(
        "--model",
        default="lstm",
        metavar="NAME|DIR",
        help="lstm, transformer, textbook-lstm, ngrams; minilm; a KerasHub preset; a "
        "folder with a Hugging Face, KerasHub or rmkeras model, a language model too; "
        "several with commas between them, such as minilm,ngrams, become an ensemble "
        "(default: lstm)",
    )
    add(
        "--loss",
        choices=LOSSES,
        help="default: huber for ratings, bradley-terry for comparisons, bce for "
        "labels; bce on ratings trains a classifier of rating > threshold, raters "
        "uses how far the raters of each text were apart",
    )
    add(
        "--threshold",
        type=number_in(),
        default=0.0,
        help="for --loss bce on ratings: what a rating has to be above (default: 0)",
    )
    add(
        "--label-smoothing",
        type=number_in(0.0, 0.5),
        default=0.0,
        help="of comparisons: how often a choice is taken to be a slip, up to 0.5",
    )
    add(
        "--centering",
        type=number_in(0.0),
        default=0.01,
        help="of comparisons' rewards (default: 0.01)",
    )
    add(
        "--aspects",
        metavar="A,B|none",
        help="which aspects of the ratings to learn (default: all, if the file has two "
        "or more; ratings without an aspect are of 'overall'); none takes every "
        "rating for the same thing",
    )
    add(
        "--balance",
        choices=BALANCES,
        default="fixed",
        help="how aspects' losses are weighed: alike, by their noise, or by whether "
        "they still fall (default: fixed)",
    )
    add(
        "--aspect-weights",
        metavar="A=W,B=W",
        help="how much each aspect counts in the reward (default: alike)",
    )
    own = "(default: what suits the model and the task)"
    add("--epochs", type=positive, help=f"passes over the data {own}")
    add("--batch-size", type=positive, help=f"records a step {own}")
    add("--learning-rate", type=positive_float, help=f"its peak {own}")
    add("--max-length", type=positive, help="longest text in tokens")
    add(
        "--vocabulary-size",
        type=whole_number(LEAST_VOCABULARY),
        default=8000,
        help="of the tokeniser that is trained, if the model has none (default: 8000)",
    )
    add("--lora", type=positive, metavar="RANK", help="train low-rank additions only")
    add(
        "--members",
        type=positive,
        default=1,
        metavar="N",
        help="train N models with seeds of their own and save them as an ensemble",
    )
    add(
        "--average-weights",
        action="store_true",
        help="of pretrained models: with --members, save one model, the mean of the "
        "members' weights, instead of an ensemble",
    )
    add_template(train)
    add_run_options(train)
    train.set_defaults(handler=_train_reward)


def _train_reward(arguments):
    from rmkeras.cli import print_json, say

    how = run_options(arguments)
    begun = None
    if read_by_tensorflow(arguments.data, arguments.valid):
        begun = begin(arguments)
    # Other files are read before anything slow is imported.
    kind, records = _records(arguments.data, "train", arguments, say)
    valid = ()
    if arguments.valid:
        other, valid = _records(arguments.valid, "validation", arguments, say)
        if other != kind:
            raise RmkerasError(
                f"{arguments.valid} holds records of type {other}; expected {kind}, "
                f"as in {arguments.data}"
            )
    elif arguments.data == HUMAN_RATINGS:
        _, valid = _records(HUMAN_RATINGS, "validation", arguments, say)
    names = _model_names(arguments.model)
    if arguments.average_weights:
        _check_average(arguments, names)
    loss = _loss(arguments.loss, kind)
    aspects = _aspects(arguments, kind, records)
    keras, strategy, chief = begun or begin(arguments)
    set_precision(keras, arguments.precision, say)
    options = how | {
        "strategy": strategy,
        "model": names[0],
        "vocabulary_size": arguments.vocabulary_size,
        "model_options": _model_options(arguments, names[0]),
        "label": Path(names[0]).name,
    }
    out = how["out"]
    if loss == "bradley-terry":
        from rmkeras.models.preference_training import train_preference_model

        def fit(**changed):
            return train_preference_model(
                records,
                valid,
                label_smoothing=arguments.label_smoothing,
                centering=arguments.centering,
                say=say,
                **{**options, **changed},
            )
    elif aspects:
        from rmkeras.models.aspect_training import train_aspect_model

        def fit(**changed):
            return train_aspect_model(
                records,
                valid,
                aspects=aspects,
                loss=loss,
                threshold=arguments.threshold,
                balance=arguments.balance,
                weights=_aspect_weights(arguments.aspect_weights),
                **{**options, **changed},
            )
    else:
        from rmkeras.models.reward_training import train_reward_model

        threshold = arguments.threshold if kind == "rating" else 0.5

        def fit(**changed):
            return train_reward_model(
                records,
                valid,
                loss=loss,
                threshold=threshold,
                **{**options, **changed},
            )

    if len(names) * arguments.members == 1:
        _, history = fit()
    else:
        history = _train_members(fit, arguments, names, out, chief, say)
    if not chief:
        return 0
    count = history.get("encoding", {}).get("kept") or _count(records)
    last = {
        k: v[-1] for k, v in history.items() if isinstance(v, list) and k != "aspects"
    }
    result = {"out": str(out), "type": kind, "n": count, **last}
    result["seconds"] = history["seconds"]
    if aspects:
        result |= {"aspects": history["aspects"], "texts": history["texts"]}
    if arguments.json:
        if "encoding" in history:
            result["encoding"] = history["encoding"]
        print_json(result)
    else:
        scores = ", ".join(f"{k} {v:.4f}" for k, v in last.items())
        print(f"Trained on {count:,} records of type {kind}: {scores}")
        if not any(k.startswith("val_") for k in last):
            print("That is on these records themselves; give others with --valid")
        print(f"Saved in {out}; score with: rmkeras score {out} FILE")
    return 0


def _check_average(arguments, names):
    """Refuses models whose weights have no mean that means anything."""
    if arguments.members < 2:
        raise RmkerasError("--average-weights needs --members, two or more, to average")
    if len(names) > 1 or names[0] in SCRATCH:
        raise RmkerasError(
            f"--average-weights is for one pretrained model, and --model is "
            f"{arguments.model}: weights have a mean only where all members begin "
            "from the same that were learned before. Take --model minilm, or leave it "
            "out for an ensemble"
        )
    if arguments.lora:
        raise RmkerasError(
            "--average-weights does not go with --lora: the mean of low-rank products "
            "is no product of means. Leave out one of them"
        )


def _train_members(fit, arguments, names, out, chief, say):
    """Trains members, each in a folder of its own, and saves them as one model."""
    from rmkeras.models import RewardEnsemble, average_weights
    from rmkeras.models.distributed import has_checkpoints
    from rmkeras.models.reward_training import BUILDERS
    from rmkeras.models.training import saved_state

    if arguments.resume and (saved_state(out) is not None or has_checkpoints(out)):
        raise RmkerasError(
            f"{out} holds the training of one model, not of an ensemble; go on with "
            "one --model and without --members, or leave out --resume and choose "
            "another --out"
        )
    members = []
    every = [(n, seed) for n in names for seed in range(arguments.members)]
    for number, (name, seed) in enumerate(every):
        folder = out / f"member-{number + 1}"
        # A member that was begun goes on; one that is finished only comes back.
        begun = arguments.resume and (
            saved_state(folder) is not None or has_checkpoints(folder)
        )
        # One tokeniser for all, so that ids mean the same and a graph can score them.
        shared = members[0].tokenizer if members and name in BUILDERS else None
        model, history = fit(
            model=name,
            model_options=_model_options(arguments, name),
            tokenizer=shared,
            seed=arguments.seed + seed,
            initial_seed=arguments.seed if arguments.average_weights else None,
            out=folder,
            resume=begun,
            label=f"member {number + 1} of {len(every)}"
            + (f", {Path(name).name}" if len(names) > 1 else ""),
            log_dir=arguments.log_dir
            and str(Path(arguments.log_dir) / f"member-{number + 1}"),
        )
        members.append(model)
    if chief:
        together = average_weights if arguments.average_weights else RewardEnsemble
        together(members).save(out / "model.keras")
    say(
        "the scores are the last member's; `rmkeras evaluate` has those of all together"
    )
    return history


def _records(name, part, arguments, say):
    """The type and the records of a file, or a part of the human ratings."""
    if name == HUMAN_RATINGS:
        from rmkeras.data import load_human_ratings

        return "rating", load_human_ratings(part)
    from rmkeras.data.usable import as_ratings, usable_records

    kind, records = usable_records(
        name, say, template=template_of(arguments, _model_names(arguments.model)[0])
    )
    if kind not in TRAINABLE:
        raise RmkerasError(
            f"{name} holds records of type {kind}, which say nothing about what is "
            f"better; expected {', '.join(TRAINABLE)} (see `rmkeras data check`)"
        )
    return kind, as_ratings(kind, records)


def _loss(asked, kind):
    natural = {"rating": "huber", "preference": "bradley-terry"}.get(kind, "bce")
    allowed = {"rating": POINTWISE, "preference": ("bradley-terry",)}.get(
        kind, ("bce",)
    )
    if asked and asked not in allowed:
        raise RmkerasError(
            f"--loss {asked} does not fit records of type {kind}; expected "
            f"{' or '.join(allowed)}"
        )
    return asked or natural


def _aspects(arguments, kind, records):
    """The aspects to learn apart; none for everything that is not such ratings."""
    asked, rated = arguments.aspects, ()
    if asked == "none":
        asked = ""
    elif kind == "rating" and arguments.data != HUMAN_RATINGS:
        from rmkeras.data import aspect_names

        rated = aspect_names(records)
    if asked:
        asked = tuple(name.strip() for name in asked.split(",") if name.strip())
        if unknown := [name for name in asked if name not in rated]:
            found = ", ".join(map(repr, rated)) or f"none, being records of type {kind}"
            raise RmkerasError(
                f"--aspects: nobody rated {', '.join(map(repr, unknown))} in "
                f"{arguments.data}; its aspects are {found}"
            )
        if len(asked) < 2:
            raise RmkerasError(
                f"--aspects {arguments.aspects}: one aspect needs no model of several; "
                f"expected two or more of {', '.join(rated)}, or none"
            )
    found = asked or (rated if len(rated) > 1 else ())
    if not found and (arguments.balance != "fixed" or arguments.aspect_weights):
        raise RmkerasError(
            "--balance and --aspect-weights are for ratings of two or more aspects, "
            f"each learned apart; of {arguments.data} there are none"
        )
    return found


def _aspect_weights(text):
    """Reads `A=W,B=W`."""
    weights = {}
    for part in (text or "").split(","):
        name, equals, value = part.rpartition("=")
        if not part.strip():
            continue
        try:
            weights[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise RmkerasError(
                f"--aspect-weights: {part.strip()!r} is no NAME=NUMBER, such as "
                "truthful=2,fluent=1"
            )
    return weights


def _model_names(model):
    """The models of an ensemble that has commas in its name; else the name alone."""
    if Path(model).exists():
        return [model]
    names = [name.strip() for name in model.split(",")]
    if not all(names):
        raise RmkerasError(
            f"--model is {model!r}, and before or after a comma there is no name; "
            "expected one model, or several such as minilm,ngrams"
        )
    return names


def _model_options(arguments, name):
    options = {}
    if arguments.max_length:
        options["max_length"] = arguments.max_length
    if arguments.lora:
        if all(n in SCRATCH for n in _model_names(arguments.model)):
            raise RmkerasError(
                f"--lora adapts a pretrained model; {arguments.model} starts from "
                "nothing. Leave it out, or take --model minilm"
            )
        if name not in SCRATCH:
            options["lora_rank"] = arguments.lora
    if (template := template_of(arguments, name)) is not None:
        options["chat_template"] = template.to_json()
    return options


def _count(records):
    return sum(1 for _ in records()) if callable(records) else len(records)
