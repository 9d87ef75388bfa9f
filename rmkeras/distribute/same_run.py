"""What a run may not change on the way, or it would be another run."""

from __future__ import annotations

import hashlib
import json

from rmkeras.errors import RmkerasError


def check_alike(before, now):
    """Refuses to go on with what would be another run.

    Args:
        before, now: What `decides` returned then and returns now. What a version of
            then did not note is not compared.

    Raises:
        ValueError: If they differ; what differs is named.
    """
    other = [name for name in now if name in before and before[name] != now[name]]
    if other:
        raise ValueError(", ".join(f"{n} was {before[n]}, is {now[n]}" for n in other))


def check_same_run(out, before, now):
    """Refuses to go on in a folder with other data or options than it was begun with.

    A resumed run takes model and optimizer from the folder: what was typed anew
    would be passed over without a word, and another run's numbers reported.

    Args:
        out: The folder, for the message.
        before: The dict that was saved with the run; `None` in runs of a version that
            saved none, which may go on.
        now: The dict of now, or `None`.

    Raises:
        RmkerasError: If they differ; what differs is named.

    Example:

    >>> from rmkeras.distribute.same_run import check_same_run
    >>> from rmkeras.errors import RmkerasError
    >>> try:
    ...     check_same_run("runs/a", {"seed": 0}, {"seed": 1})
    ... except RmkerasError as error:
    ...     print(str(error).split(".")[0])
    runs/a holds another run: seed was 0, is 1
    """
    if not before or not now:
        return
    now = json.loads(json.dumps(now))  # Tuples come back from a file as lists.
    try:
        check_alike(before, {name: now[name] for name in now if name in before})
    except ValueError as error:
        raise RmkerasError(
            f"{out} holds another run: {error}. Go on with the data and options that "
            "it was begun with (only --epochs may change), or leave out --resume and "
            "choose another --out"
        ) from error


def digest(values):
    """A short text that changes when any of these values does.

    Args:
        values: What can be written as JSON.

    Returns:
        16 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]
