"""The command `annotate`: the web page, invitations, export."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

from rmkeras._cli_options import add_json, add_template, positive, template_of
from rmkeras.errors import RmkerasError

DATABASE = "answers.db"
TASKS = ("compare", "rate", "rank", "edit")


def add_commands(commands) -> None:
    """Adds the command.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    annotate = commands.add_parser(
        "annotate",
        help="a web page where people compare, rate, rank and edit",
        description="Serve a web page where people judge texts. Without a command it "
        "serves; items come from --data, or are in the file already. What you say "
        "here about tasks and raters is kept in the file.",
        epilog="docs/annotate.md shows a lesson from start to training.",
    )
    add = annotate.add_argument
    _add_db(annotate, DATABASE)
    add("--data", metavar="FILE", nargs="+", help="what is to be judged")
    add_template(annotate)
    add("--task", choices=TASKS, help="what people do (default: as the data say)")
    add("--gold", metavar="FILE", nargs="+", help="items whose right answer is known")
    add("--gold-every", type=int, metavar="N", help="one item in N is a gold item")
    add("--raters-per-item", type=positive, metavar="K", help="people an item")
    add("--aspects", metavar="A,B,…", help="what is rated")
    add("--scale", metavar="LOW,HIGH", help="lowest and highest rating, such as 1,5")
    add("--guide", metavar="FILE.md", help="the guide that raters see")
    add("--title", help="heading of the page")
    add("--model", metavar="DIR", help="ask next where this reward model is unsure")
    add("--port", type=int, default=8000, help="0 for any free one (default: 8000)")
    add(
        "--public",
        action="store_true",
        help="let other machines in; each rater then needs an invitation link",
    )
    add("--host", metavar="ADDRESS", help="address to listen at, with --public")
    add("--url", help="how people reach the server, for links, with --public")
    annotate.set_defaults(handler=_serve)
    actions = annotate.add_subparsers(title="commands", metavar="COMMAND")

    invite = actions.add_parser("invite", help="make invitation links")
    invite.add_argument("names", metavar="NAME", nargs="*")
    invite.add_argument("--file", metavar="FILE", help="a file with one name a line")
    invite.add_argument("--url", help="how people reach the server")
    _add_db(invite)
    add_json(invite)
    invite.set_defaults(handler=_invite)

    export = actions.add_parser(
        "export",
        help="write answers as a feedback file",
        description="Write answers as a feedback file that train-reward reads, one "
        "line for each rater's judgement.",
    )
    export.add_argument("file", metavar="FILE", help=".jsonl or .csv, perhaps .gz")
    export.add_argument(
        "--type",
        choices=[
            "preference",
            "rating",
            "unpaired-preference",
            "prompt-completion",
            "answers",
        ],
        help="type of the records; answers is everything, with times, sides, remarks "
        "and undone answers, as JSON lines (default: as the tasks say)",
    )
    export.add_argument("--anonymous", action="store_true", help="without names")
    export.add_argument("--with-gold", action="store_true", help="gold items too")
    _add_db(export)
    add_json(export)
    export.set_defaults(handler=_export)

    bring = actions.add_parser(
        "import",
        help="take in judgements that were given elsewhere",
        description="Take comparisons or ratings of a feedback file into the store, "
        "with their raters, so that agreement and export count them.",
    )
    bring.add_argument("file", metavar="FILE")
    add_template(bring, argparse.SUPPRESS)
    bring.add_argument(
        "--aspects",
        metavar="A,B,…",
        default=argparse.SUPPRESS,
        help="what the file rates; ratings without an aspect are of 'overall'",
    )
    bring.add_argument(
        "--scale",
        metavar="LOW,HIGH",
        default=argparse.SUPPRESS,
        help="lowest and highest rating of the file, such as 1,5",
    )
    _add_db(bring)
    add_json(bring)
    bring.set_defaults(handler=_import)


def _add_db(parser: argparse.ArgumentParser, default=argparse.SUPPRESS) -> None:
    # SUPPRESS: argparse would let a command's default undo what stood before it.
    parser.add_argument(
        "--db",
        metavar="FILE",
        default=default,
        help=f"the file with items and answers (default: {DATABASE})",
    )


def _serve(arguments) -> int:
    from rmkeras.cli import say
    from rmkeras.feedback.serve import check_libraries, listen, serve

    check_libraries()
    if arguments.host and not arguments.public:
        raise RmkerasError("--host needs --public: it lets other machines in")
    from rmkeras.feedback.store import Store
    from rmkeras.feedback.unsure import check_model

    if arguments.model is not None:
        check_model(arguments.model)
    plan, template = _plan(arguments), template_of(arguments)
    host = arguments.host or ("0.0.0.0" if arguments.public else "127.0.0.1")
    files = [(name, False) for name in arguments.data or ()]
    files += [(name, True) for name in arguments.gold or ()]
    # The port first: what cannot be served should not leave its items in the file.
    with listen(host, arguments.port) as taken, Store(arguments.db) as store:
        with store.transaction():
            store.set_plan(**plan)
            for name, gold in files:
                new, total = _add(store, name, arguments.task, gold, say, template)
                what = "gold items" if gold else "items"
                say(f"{name}: {total} {what}, {new} of them new")
        if next(store.items(), None) is None:
            say(f"{arguments.db} holds no items yet; bring some with --data FILE")
        if arguments.gold and not store.plan.gold_every:
            store.set_plan(gold_every=10)
        with _asking(arguments, say):
            serve(
                store,
                host,
                arguments.port,
                arguments.public,
                arguments.url,
                # Whoever reads through a pipe must see the address at once.
                say=functools.partial(print, flush=True),
                taken=taken,
            )
    return 0


def _asking(arguments, say):
    """Runs the model that says what to ask next, if there is one."""
    import contextlib

    if arguments.model is None:
        return contextlib.nullcontext()
    from rmkeras.feedback.unsure import background

    return background(arguments.db, arguments.model, say)


def _add(store, name, task, gold, say, template) -> tuple[int, int]:
    from rmkeras.feedback.load import read_items

    items = read_items(name, task, gold, say, template)
    if gold:
        items = [item for item in items if item.gold is not None]
        if not items:
            raise RmkerasError(
                f"{name}: no item says its right answer; expected comparisons, ratings "
                "with an aspect, or a field gold"
            )
    try:
        return store.add_items(items), len(items)
    except RmkerasError as error:
        raise RmkerasError(f"{name}: {error}") from error


def _plan(arguments) -> dict:
    plan = {
        "raters_per_item": arguments.raters_per_item,
        "gold_every": arguments.gold_every,
        "title": arguments.title,
    }
    if arguments.aspects is not None:
        plan["aspects"] = tuple(a.strip() for a in arguments.aspects.split(","))
    if arguments.scale is not None:
        try:
            low, high = (int(n) for n in arguments.scale.split(","))
        except ValueError:
            raise RmkerasError(
                f"--scale {arguments.scale}: expected two whole numbers, such as 1,5"
            ) from None
        plan["scale"] = (low, high)
    if arguments.guide is not None:
        plan["guide"] = _text(arguments.guide)
    return {name: value for name, value in plan.items() if value is not None}


def _text(path) -> str:
    try:
        return Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise RmkerasError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RmkerasError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error


def _invite(arguments) -> int:
    from rmkeras.cli import print_json
    from rmkeras.feedback.serve import own_address
    from rmkeras.feedback.store import Store

    names = list(arguments.names)
    if arguments.file:
        names += [n for n in _text(arguments.file).splitlines() if n.strip()]
    if not names:
        raise RmkerasError("no names; expected annotate invite NAME …, or --file FILE")
    base = (arguments.url or f"http://{own_address()}:8000").rstrip("/")
    with Store(arguments.db) as store:
        links = {r.name: f"{base}/in/{token}" for r, token in store.invite(names)}
    if arguments.json:
        print_json({"links": links})
    else:
        for name, link in links.items():
            print(f"{name}\t{link}")
    return 0


def _export(arguments) -> int:
    from rmkeras.cli import print_json
    from rmkeras.data import write_records
    from rmkeras.feedback.export import (
        default_kind,
        export_answers,
        export_records,
        write_answers,
    )
    from rmkeras.feedback.store import Store

    with Store(arguments.db, must_exist=True) as store:
        kind = arguments.type or default_kind(store)
        if kind == "answers":
            rows = export_answers(store, arguments.anonymous)
            count = write_answers(arguments.file, rows)
        else:
            records = export_records(
                store, kind, arguments.with_gold, arguments.anonymous
            )
            count = write_records(arguments.file, records)
    if arguments.json:
        print_json({"file": arguments.file, "type": kind, "n": count})
    else:
        print(f"{arguments.file}: {count} records of type {kind}")
    return 0


def _import(arguments) -> int:
    from rmkeras.cli import print_json
    from rmkeras.feedback.bring import import_answers
    from rmkeras.feedback.store import Store

    plan, template = _plan(arguments), template_of(arguments)
    # One transaction: a file that is refused leaves the plan as it was.
    with Store(arguments.db) as store, store.transaction():
        if plan:
            store.set_plan(**plan)
        counts = import_answers(store, arguments.file, template)
    if arguments.json:
        print_json({"file": arguments.file, **counts})
    else:
        print(
            f"{arguments.file}: {counts['answers']} new answers, {counts['known']} known "
            f"already, {counts['conflicts']} in conflict with what the same rater said "
            f"before; {counts['items']} new items"
        )
    return 0
