"""The command line: `rmkeras COMMAND`.

Each group of commands has a module `rmkeras/_cli_*.py` with one function
`add_commands(subparsers)`. It declares the options and sets `handler`, a
function from the parsed arguments to an exit status; heavy imports happen inside
the handler, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence

from rmkeras import __version__
from rmkeras.errors import RmkerasError

COMMAND_MODULES = (
    "rmkeras._cli_data",
    "rmkeras._cli_train",
    "rmkeras._cli_models",
    "rmkeras._cli_language",
    "rmkeras._cli_align",
    "rmkeras._cli_evaluate",
    "rmkeras._cli_annotate",
    "rmkeras._cli_launch",
)
"""Modules that add commands, in the order in which `--help` lists them."""


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser with every command.

    Returns:
        An `argparse.ArgumentParser`.

    Example:

    >>> build_parser().prog
    'rmkeras'
    """
    parser = argparse.ArgumentParser(
        prog="rmkeras",
        description="Reward models and reinforcement learning from human feedback.",
    )
    parser.add_argument("--version", action="version", version=f"rmkeras {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in COMMAND_MODULES:
        importlib.import_module(name).add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The arguments without the program's name; `sys.argv` by default.

    Returns:
        The exit status: 0 if all is well, 2 if something the user can mend is
        wrong, 130 after Ctrl-C.

    Example:

    >>> main(["--version"])
    rmkeras 0.1.0
    0
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show an emoji shows its number instead of failing.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # --help, --version, or a usage error.
        return stop.code if isinstance(stop.code, int) else 2
    handler = getattr(arguments, "handler", None)
    if handler is None:
        # A group without its command: show what there is to choose from.
        getattr(arguments, "group", parser).print_help(sys.stderr)
        return RmkerasError.exit_code
    try:
        return handler(arguments) or 0
    except RmkerasError as error:
        if getattr(arguments, "json", False):
            print_json({"error": str(error)})
        say(f"rmkeras: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("rmkeras: stopped")
        return 130
    except BrokenPipeError:
        # The reader of our output (`| head`) has seen enough. Python would
        # complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def say(line: str) -> None:
    """Prints a line to standard error.

    Args:
        line: The line.
    """
    print(line, file=sys.stderr, flush=True)


def print_json(value: dict) -> None:
    """Prints one JSON object to standard output.

    Args:
        value: What to print.
    """
    print(json.dumps(value))
