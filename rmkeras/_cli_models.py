"""The commands `demo` and `score`."""

from __future__ import annotations

import sys

from rmkeras._cli_options import add_json, add_template, template_of
from rmkeras._cli_training import make_out
from rmkeras.quiet import import_tensorflow


def add_commands(commands) -> None:
    """Adds the commands.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    demo = commands.add_parser(
        "demo",
        help="the whole path on the human ratings: models, REINFORCE, report",
        description="Train reward models and a language model on the human ratings, "
        "improve the language model with REINFORCE, and write a report.",
    )
    demo.add_argument("--out", metavar="DIR", default="runs/demo")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument(
        "--quick",
        action="store_true",
        help="a few hundred texts only: the same path, numbers without meaning",
    )
    add_json(demo)
    demo.set_defaults(handler=_demo)

    score = commands.add_parser(
        "score",
        help="score texts with a reward model",
        description="Score texts. FILE is CSV or JSON lines with a field 'text' or "
        "'completion', or with 'chosen' and 'rejected', and perhaps 'prompt'; or plain "
        "text with one text a line; - is standard input, which is CSV if its first line "
        "names such fields. Out comes the same with "
        "'reward' added, for comparisons 'reward_chosen' and 'reward_rejected'. A model "
        "of several aspects also adds 'rewards', by aspect; 'reward' is their weighted "
        "sum.",
    )
    score.add_argument("model", metavar="DIR", help="a reward model's folder")
    score.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default="-",
        help="what to score (default: -, standard input)",
    )
    add_template(score)
    add_json(score)
    score.set_defaults(handler=_score)


def _print_json(value):
    from rmkeras.cli import print_json

    print_json(value)


def _demo(arguments):
    from rmkeras.demo import run_demo

    make_out(arguments.out)
    report, metrics = run_demo(arguments.out, arguments.seed, quick=arguments.quick)
    if arguments.json:
        _print_json(metrics)
        return 0
    r = metrics["reinforce"]
    lstm = metrics["reward_model"]["lstm"]["pearson"]
    ridge = metrics["reward_model"]["baselines"]["tfidf_ridge"]
    print(
        "Reward model against people (Pearson r, LSTM / TF-IDF + ridge): "
        + ", ".join(f"{d} {lstm[d]:.3f}/{ridge[d]:.3f}" for d in lstm)
    )
    print(
        f"REINFORCE raised the judge's rating from {r['judge_before']:+.2f} to "
        f"{r['judge_after']:+.2f} and VADER's from {r['vader_before']:+.2f} to "
        f"{r['vader_after']:+.2f}"
    )
    print(
        f"Distinct-2, a sign of living language, went from "
        f"{r['distinct2_before']:.2f} to {r['distinct2_after']:.2f} at a KL of "
        f"{r['kl']:.1f} nats"
    )
    print(f"Report: {report}")
    return 0


def _score(arguments):
    import_tensorflow()
    from rmkeras.cli import say
    from rmkeras.models import REWARD_MODELS, load_model
    from rmkeras.scoring import read_texts, score_columns, write_scores

    # The file is read before the model is loaded: a wrong name answers at once.
    template = template_of(arguments, arguments.model)
    texts = read_texts(arguments.file, say, template)
    model = load_model(arguments.model, REWARD_MODELS)
    rewards = model.score(texts.texts, prompts=texts.prompts)
    aspects = None
    if model.aspects:
        aspects = model.score_aspects(texts.texts, prompts=texts.prompts)
    if arguments.json:
        columns = score_columns(texts, rewards, aspects)
        _print_json(columns | {"n": len(texts.rows)})
    else:
        write_scores(texts, rewards, sys.stdout, aspects)
    return 0
