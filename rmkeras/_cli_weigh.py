"""The command `data weigh`."""

from __future__ import annotations

import argparse

from rmkeras._cli_options import add_template, template_of
from rmkeras.errors import RmkerasError


def add_command(data) -> None:
    """Adds the command to the group `data`.

    Args:
        data: What `ArgumentParser.add_subparsers` returned.
    """
    weigh = data.add_parser(
        "weigh",
        help="make one record of what several raters said, each as far as reliable",
        description="Estimate how reliable each rater is, and make one record of all "
        "that they said about a pair or a text: of comparisons with a probability "
        "(Dawid and Skene), of ratings without each rater's bias and weighed by their "
        "noise.",
    )
    weigh.add_argument("file", metavar="FILE", help="comparisons or ratings with rater")
    weigh.add_argument(
        "--out",
        metavar="FILE",
        required=True,
        help="file to write: .csv, .tsv or .jsonl, with .gz behind it or not",
    )
    weigh.add_argument("--type", metavar="TYPE", help="preference or rating")
    add_template(weigh)
    weigh.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )
    weigh.set_defaults(handler=_weigh)


def _weigh(arguments: argparse.Namespace) -> int:
    from rmkeras.cli import print_json, say
    from rmkeras.data import read_records, write_records
    from rmkeras.data.writers import check_output_name
    from rmkeras.feedback.weigh import weigh_records

    check_output_name(arguments.out)
    template = template_of(arguments)
    records = read_records(arguments.file, arguments.type, template)
    try:
        result = weigh_records(records)
    except RmkerasError as error:
        raise RmkerasError(f"{arguments.file}: {error}") from error
    write_records(arguments.out, result.records)
    c = result.counts
    summary = (
        f"{arguments.out}: {c['records']} records of {c['rows']} rows by {c['raters']} "
        f"raters, {c['changed']} not what a vote or a mean would say"
    )
    if arguments.json:
        told = {"out": arguments.out, "counts": c, "raters": result.reliability}
        print_json(told)
        say(summary)
        return 0
    order = sorted(result.reliability.items(), key=lambda row: row[1]["weight"])
    for name, row in order:
        told = ", ".join(f"{k} {v:.2f}" for k, v in row.items() if k != "answers")
        print(f"{name or '(no name)'}: {told}, {row['answers']} answers")
    print(summary)
    return 0
