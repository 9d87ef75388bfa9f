"""The command `launch`."""

from __future__ import annotations

import argparse

from rmkeras._cli_options import positive, whole_number


def add_commands(commands) -> None:
    """Adds the command.

    Args:
        commands: What `ArgumentParser.add_subparsers` returned.
    """
    launch = commands.add_parser(
        "launch",
        help="run a command as several workers on this machine",
        usage="rmkeras launch [--workers N] [--restarts N] -- COMMAND …",
        description="Run a command as several workers that train together: each gets "
        "TF_CONFIG, its output comes with its number in front, and when one dies all "
        "end. On several machines, set TF_CONFIG on each and run the command itself.",
    )
    launch.add_argument("--workers", type=positive, default=2)
    launch.add_argument(
        "--restarts",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="start all again with --resume up to N times after a worker was lost",
    )
    launch.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    launch.set_defaults(handler=_launch)


def _launch(arguments):
    from rmkeras.cli import say
    from rmkeras.distribute.launch import launch

    command = arguments.command
    if command[:1] == ["--"]:
        command = command[1:]
    return launch(command, arguments.workers, arguments.restarts, say)
