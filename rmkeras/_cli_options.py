"""What the options of several commands share: their types, and the same option twice."""

from __future__ import annotations

import argparse
import math

HUMAN_RATINGS = "human-ratings"
LEAST_VOCABULARY = 258
"""256 bytes and two special tokens."""


def add_json(parser):
    """Adds the option `--json`.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on standard output"
    )


def add_template(parser, default=None):
    """Adds the option `--template`.

    Args:
        parser: The command's parser.
        default: What `template` is if nothing was typed.
    """
    parser.add_argument(
        "--template",
        metavar="FILE",
        default=default,
        help='chat template: a JSON object from roles to formats, such as {"user": '
        '"Q: {content}"} (default: that of the model, if one reads the file '
        "and knows one; else Human and Assistant, as in the HH data)",
    )


def template_of(arguments, model=None):
    """Reads the chat template that was typed, or else the one that a model knows.

    A model that learned from messages in one form would read them in another one
    without complaint, and be wrong more often.

    Args:
        arguments: What was parsed.
        model: The folder or `.keras` file of a model that will read the texts.

    Returns:
        A `ChatTemplate`, or `None` if there is neither.
    """
    from rmkeras.data.chat import ChatTemplate, saved_template

    if hasattr(arguments, "chat_template"):  # Asked before.
        return arguments.chat_template
    own = None if model is None else saved_template(model)
    if arguments.template is None:
        arguments.chat_template = own
        return own
    typed = arguments.chat_template = ChatTemplate.load(arguments.template)
    if own is not None and typed != own:
        from rmkeras.cli import say

        say(
            f"note: {model} was trained with another chat template than that of "
            f"{arguments.template}; without --template its own is taken"
        )
    return typed


def positive(text):
    """Reads a whole number above 0, for `type=` of an option.

    Args:
        text: What was typed.

    Returns:
        The number.
    """
    return whole_number(1)(text)


def whole_number(least):
    """Makes a reader of whole numbers, for `type=` of an option.

    Args:
        least: The smallest that is taken.

    Returns:
        A function from what was typed to the number.
    """

    def read(text):
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least:
            raise argparse.ArgumentTypeError(
                f"{text!r}; expected a whole number, {least} or more"
            )
        return value

    return read


def number_in(low=-math.inf, high=math.inf, open_at=()):
    """Makes a reader of finite numbers, for `type=` of an option.

    Args:
        low, high: The range, its ends included.
        open_at: Ends that are not included.

    Returns:
        A function from what was typed to the number.
    """

    def read(text):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        inside = math.isfinite(value) and low <= value <= high
        if not inside or value in open_at:
            ends = []
            if low > -math.inf:
                ends.append(f"above {low:g}" if low in open_at else f"at least {low:g}")
            if high < math.inf:
                ends.append(
                    f"below {high:g}" if high in open_at else f"at most {high:g}"
                )
            where = f" {' and '.join(ends)}" if ends else ""
            raise argparse.ArgumentTypeError(f"{text!r}; expected a number{where}")
        return value

    return read


positive_float = number_in(0.0, open_at=(0.0,))
"""Reads a finite number above 0, for `type=` of an option."""
