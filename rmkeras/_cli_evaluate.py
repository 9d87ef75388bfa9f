"""The command `evaluate`."""

from __future__ import annotations

import time

from rmkeras._cli_options import HUMAN_RATINGS, add_template, template_of
from rmkeras.errors import RmkerasError
from rmkeras.quiet import import_tensorflow


def add_commands(commands) -> None:
    """Adds the command.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    evaluate = commands.add_parser(
        "evaluate",
        help="compare a reward model with people",
        description="Compare a reward model with held-out ratings or comparisons: "
        "accuracy with intervals, calibration, length bias, baselines, the records "
        "that it is most wrong about, speed. Of the human ratings it takes the test "
        "part; records of RewardBench are also scored by its categories. A model of "
        "several aspects is compared aspect by aspect, where the ratings have one.",
    )
    evaluate.add_argument("model", metavar="DIR")
    evaluate.add_argument("--data", metavar="FILE|human-ratings", required=True)
    evaluate.add_argument(
        "--out", metavar="PAGE.html", help="write a page with figures"
    )
    evaluate.add_argument(
        "--probes",
        action="store_true",
        help="also change case, spelling, spaces and endings, and see what moves",
    )
    evaluate.add_argument(
        "--threshold",
        type=float,
        default=0.0,
        help="above which rating a text counts as positive (default: 0)",
    )
    evaluate.add_argument(
        "--worst",
        type=_count,
        default=20,
        metavar="N",
        help="how many of the worst mistakes to list (default: 20)",
    )
    add_template(evaluate)
    evaluate.add_argument("--seed", type=int, default=0, help="seed of the probes")
    evaluate.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )
    evaluate.set_defaults(handler=_evaluate)


def _count(text):
    import argparse

    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _records(name, part, template=None):
    """Records of a file of any type, or a part of the human ratings."""
    if name == HUMAN_RATINGS:
        from rmkeras.data import load_human_ratings

        return load_human_ratings(part)
    from rmkeras.evaluate.rewardbench import is_rewardbench, read_rewardbench

    if is_rewardbench(name):
        return read_rewardbench(name)
    from rmkeras.cli import say
    from rmkeras.data.usable import usable_records

    _, records = usable_records(name, say, template=template)
    return list(records() if callable(records) else records)


def _type(record):
    from rmkeras.evaluate.labels import is_labelled

    if is_labelled(record):
        return "label"
    if hasattr(record, "chosen"):
        return "preference"
    return "rating" if hasattr(record, "rating") else type(record).__name__


def _kind(records, name):
    """`"rating"`, `"preference"` or `"label"`, whichever all records are."""
    kinds = {_type(record) for record in records}
    if not kinds:
        raise RmkerasError(f"{name} has no records to evaluate on")
    if len(kinds) > 1 or not kinds <= {"rating", "preference", "label"}:
        raise RmkerasError(
            f"{name} has records of type {', '.join(sorted(kinds))}; evaluate needs "
            "ratings (text, rating), comparisons (chosen, rejected) or labelled "
            "answers (completion, label), all of one type"
        )
    return kinds.pop()


def _evaluate(arguments):
    if arguments.data == HUMAN_RATINGS:
        import_tensorflow()  # its reader would import it, and noisily
    # The file is read before the model is loaded: a wrong name answers at once.
    template = template_of(arguments, arguments.model)
    records = _records(arguments.data, "test", template)
    kind = _kind(records, arguments.data)
    import_tensorflow()
    from rmkeras.models import REWARD_MODELS, load_model

    model = load_model(arguments.model, REWARD_MODELS)
    result = evaluate_records(
        model,
        records,
        kind,
        threshold=arguments.threshold,
        worst=arguments.worst,
        probes=arguments.probes,
        seed=arguments.seed,
    )
    result["model"], result["data"] = str(arguments.model), str(arguments.data)
    if arguments.out:
        from rmkeras.evaluate import write_evaluation

        result["page"] = str(write_evaluation(result, arguments.out))
    # Thousands of numbers that only the figures need.
    result.pop("points", None)
    if arguments.json:
        from rmkeras.cli import print_json

        print_json(result)
    else:
        print("\n".join(summary_lines(result)))
    return 0


def evaluate_records(model, records, kind, threshold, worst, probes, seed):
    """Everything that the command measures, in one dict.

    Args:
        model: Anything with `score`.
        records: Ratings, preferences or labelled answers.
        kind: `"rating"`, `"preference"` or `"label"`.
        threshold, worst, probes, seed: The command's options.

    Returns:
        What `evaluate_ratings`, `evaluate_pairs` or `evaluate_labels` returns, and `speed`, `probes`
        and `rewardbench` where these apply, and `seconds`.
    """
    from rmkeras import evaluate
    from rmkeras.evaluate.labels import labelled_answers
    from rmkeras.evaluate.rewardbench import BenchmarkPair, benchmark_scores
    from rmkeras.evaluate.scoring import pair_texts, rating_text

    start = time.perf_counter()
    if kind == "label":
        result = evaluate.evaluate_labels(model, records, worst)
        records = labelled_answers(records)  # what the probes change
        texts = [rating_text(r) for r in records]
    elif evaluate.rated_by_aspect(model, records):
        result = evaluate.evaluate_aspects(model, records, threshold, worst)
        texts = [rating_text(r) for r in records]
    elif kind == "rating":
        result = evaluate.evaluate_ratings(model, records, threshold, worst)
        texts = [rating_text(r) for r in records]
    else:
        result = evaluate.evaluate_pairs(model, records, worst)
        texts = pair_texts(records)[0]
        if isinstance(records[0], BenchmarkPair):
            points = result["points"]
            result["rewardbench"] = benchmark_scores(
                records, points["chosen"], points["rejected"]
            )
    result["speed"] = evaluate.measure_speed(model, texts, repeats=3, sample=128)
    if probes:
        result["probes"] = evaluate.run_probes(model, records, seed=seed)
    result["seconds"] = round(time.perf_counter() - start, 2)
    return result


def summary_lines(result):
    """The result for people, a list of lines."""
    lines = _pair_lines(result) if result["type"] == "preference" else []
    if result["type"] == "rating":
        lines = _rating_lines(result)
    for name, row in (result.get("rewardbench") or {}).get("categories", {}).items():
        lines.append(f"RewardBench {name}: {_with(row['accuracy'], row['interval'])}")
    for name, row in (result.get("probes") or {}).items():
        lines.append(
            f"probe {name:16s} moves rewards by {row['mean_change']:.3f} standard "
            f"deviations, turns {100 * row['flipped']:.1f} % of {row['pairs']} pairs"
        )
    speed = result["speed"]
    lines.append(
        f"speed: {speed['texts_per_second']:,.0f} texts a second, one text in "
        f"{speed['latency_ms']:.1f} ms"
    )
    if "page" in result:
        lines.append(f"Page: {result['page']}")
    return lines


def _with(value, interval):
    if value is None:
        return "none"
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _rating_lines(result):
    lines = []
    for domain, r in result["pearson"].items():
        line = f"{domain:24s} r = {_with(r, result['pearson_interval'][domain])}"
        if domain in result["one_human"]:
            line += f", one human {result['one_human'][domain]:.3f}"
        base = result["baselines"]
        line += f", VADER {base['vader'][domain]:.3f}"
        lines.append(f"{line}, length alone {base['length'][domain]:.3f}")
    if result.get("roc_auc") is not None:
        within = result["within_prompt"]
        lines.append(
            f"good above bad (ROC AUC) {result['roc_auc']:.3f}; within a prompt "
            f"{_with(within['accuracy'], within['interval'])} of {within['n']:,} pairs"
        )
    if result["mse"] is not None:
        lines.append(
            f"mean squared error {_with(result['mse'], result['mse_interval'])} on "
            f"{result['n']:,} texts"
        )
    if found := result["classification"]:
        lines.append(
            f"rating above {result['threshold']:g}: F1 {found['f1']:.3f}, recall "
            f"{found['recall']:.3f}, precision {found['precision']:.3f}, accuracy "
            f"{_with(found['accuracy'], found['accuracy_interval'])}"
        )
    if "ece" in (result["calibration"] or {}):
        found = result["calibration"]
        lines.append(
            f"calibration error {found['ece']:.3f} (perfect calibration would show "
            f"{found['ece_noise']:.3f}), Brier score {found['brier']:.3f}"
        )
    return lines


def _pair_lines(result):
    if result["pairwise_accuracy"] is None:
        return [f"none of {result['n']} pairs has a majority for either answer"]
    lines = [
        f"pairwise accuracy {_with(result['pairwise_accuracy'], result['interval'])} "
        f"on {result['n']:,} pairs, {result['ties']} ties"
    ]
    if result["prompts"] < result["n"] - result["undecided"]:
        low, high = result["prompt_interval"]
        lines.append(
            f"  pairs share {result['prompts']:,} prompts; counting these: "
            f"{low:.3f} to {high:.3f}"
        )
    length = result["length"]
    near, even = length["matched"]["characters"], length["balanced"]
    lines += [
        f"length baseline: longer wins {result['length_baseline']:.3f}, shorter wins "
        f"{length['shorter_wins']:.3f}",
        f"  on {near['n']:,} pairs of about equal length "
        f"{_with(near['accuracy'], near['interval'])}; all pairs balanced by length "
        f"{_with(even['accuracy'], even['interval'])}",
        f"calibration error {result['ece']:.3f} (perfect calibration would show "
        f"{result['ece_noise']:.3f}), Brier score {result['brier']:.3f}",
        f"mean margin {result['margin']['mean']:.3f}; rewards from "
        f"{result['reward']['min']:.2f} to {result['reward']['max']:.2f}, mean "
        f"{result['reward']['mean']:.2f}",
    ]
    if len(result["by_source"]) > 1:
        for name, row in result["by_source"].items():
            lines.append(
                f"  {name:24s} {_with(row['pairwise_accuracy'], row['interval'])} on "
                f"{row['n']:,}, longer wins {row['length_baseline']:.3f}"
            )
    return lines
