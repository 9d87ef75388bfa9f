"""The one exception that ends in a message and exit status 2."""

from __future__ import annotations

import contextlib


class RmkerasError(Exception):
    """Something the user can mend: its text is the whole message.

    The text names what was found, what was expected and what to do. The command
    line prints it without a traceback and exits with status 2.
    """

    exit_code = 2


@contextlib.contextmanager
def options_explained():
    """Turns what a class says about an option's value into a `RmkerasError`.

    For the places that build models and losses out of what a user typed, and for no
    others: around a training it would hide the traceback of a real mistake.

    Example:

    >>> from rmkeras.errors import options_explained
    >>> with options_explained():
    ...     raise ValueError("the width 16 is not divisible by 3 heads")
    Traceback (most recent call last):
    rmkeras.errors.RmkerasError: the width 16 is not divisible by 3 heads
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        raise RmkerasError(str(error)) from error
