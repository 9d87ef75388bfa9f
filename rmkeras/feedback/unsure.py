"""What a reward model is least sure of is asked first: `annotate --model`.

Runs in a process of its own, so that the page's server stays without TensorFlow
and answers at once while a model scores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from pathlib import Path

from rmkeras.errors import RmkerasError
from rmkeras.feedback.active import pair_priorities
from rmkeras.feedback.store import Store
from rmkeras.feedback.tasks import Item

PAUSE = 5.0
"""Seconds between two looks for new items or a new model."""


def priorities(model, items: Iterable[Item]) -> dict[int, float]:
    """Says how much an answer to each item would teach a model.

    Comparisons: see `pair_priorities`. A ranking counts as the closest of its
    pairs. A text to rate or to edit counts by the standard deviation of an
    ensemble's members; a single model says nothing about these.

    Args:
        model: A `RewardModel` or a `RewardEnsemble`.
        items: Items of a store.

    Returns:
        From each item's number to a priority from 0 to 1, for
        `Store.set_priorities`.

    Example:

    >>> import numpy as np
    >>> class Length:
    ...     def score(self, texts, prompts=None):
    ...         return np.array([len(t) for t in texts])
    >>> items = [Item("rank", ("a", "bcdef", "ghijklmno"), id=1),
    ...          Item("rank", ("a", "bc", "defgh"), id=2)]
    >>> priorities(Length(), items)
    {2: 1.0, 1: 0.5}
    """
    items = list(items)
    found = pair_priorities(model, items)
    pairs = {}
    for item in items:
        if item.task == "rank":
            for pair in combinations(item.texts, 2):
                pairs[len(pairs)] = item, pair
    if pairs:
        each = [
            Item("compare", pair, item.prompt, id=number)
            for number, (item, pair) in pairs.items()
        ]
        best: dict[int, float] = {}
        for number, priority in pair_priorities(model, each).items():
            place = pairs[number][0].id
            best[place] = max(priority, best.get(place, 0.0))
        found |= _places(best)
    single = [item for item in items if item.task in ("rate", "edit")]
    if single and hasattr(model, "uncertainty"):
        prompts = [item.prompt for item in single]
        spread = model.uncertainty(
            [item.texts[0] for item in single],
            prompts=prompts if any(prompts) else None,
        )
        numbers = [item.id for item in single]
        found |= _places(dict(zip(numbers, spread.tolist(), strict=True)))
    return found


def _places(values: dict[int, float]) -> dict[int, float]:
    """Values of any unit as places from 1 down to 0, as `pair_priorities` gives."""
    order = sorted(values, key=lambda number: (-values[number], number))
    return {number: 1 - i / len(order) for i, number in enumerate(order)}


def newest(folder: Path) -> float:
    """Says when the model in a folder was written.

    Args:
        folder: A model's folder or file.

    Returns:
        The latest change of its files, in seconds since 1970; 0 if there is none.
    """
    files = [folder, *folder.rglob("*")] if folder.is_dir() else [folder]
    return max((f.stat().st_mtime for f in files if f.is_file()), default=0.0)


def keep_scoring(
    store: Store,
    folder: Path,
    load: Callable[[Path], object],
    go_on: Callable[[], bool],
    say: Callable[[str], None] = print,
) -> None:
    """Scores open items, and again when the model or the items have changed.

    A model that is trained again into the same folder changes the order: that
    closes the loop.

    Args:
        store: The store.
        folder: The model's folder.
        load: Called with the folder; returns the model.
        go_on: Called before each look; False ends it.
        say: Called with a line for each thing that was done.
    """
    model, when, scored = None, -1.0, set()
    while go_on():
        if (now := newest(folder)) != when:
            try:
                model, when, scored = load(folder), now, set()
            except RmkerasError as error:
                # It may be half written; the next look tries again.
                say(f"{folder}: {error}")
        items = list(store.items(gold=False, open=True))
        numbers = {item.id for item in items}
        if model is not None and not numbers <= scored:
            store.set_priorities(priorities(model, items))
            scored = numbers
            say(f"{len(numbers)} open items are in the order of {folder}")
        time.sleep(PAUSE)


def check_model(model) -> None:
    """Makes sure that there is a model, before anything is kept.

    Args:
        model: The model's folder.

    Raises:
        RmkerasError: If there is no such folder.
    """
    if not Path(model).exists():
        raise RmkerasError(
            f"--model {model}: there is no such folder; expected a reward model, such "
            "as train-reward writes"
        )


@contextlib.contextmanager
def background(db, model, say: Callable[[str], None]) -> Iterator[None]:
    """Runs `keep_scoring` in a process of its own while the block runs.

    Args:
        db: The store's file.
        model: The model's folder.
        say: Called with a line that tells about it.

    Yields:
        Nothing.

    Raises:
        RmkerasError: If there is no such folder.
    """
    check_model(model)
    say(f"Items are asked in the order in which {model} is unsure of them.")
    command = [sys.executable, "-m", "rmkeras.feedback.unsure", str(db), str(model)]
    command.append(str(os.getpid()))
    process = subprocess.Popen(command, stdout=sys.stderr)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def main(argv: list[str] | None = None) -> int:
    """Runs the process.

    Args:
        argv: The store's file, the model's folder, and the process that it ends with.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("db")
    parser.add_argument("model", type=Path)
    parser.add_argument("parent", type=int)
    arguments = parser.parse_args(argv)
    # A server that was killed cannot end this process; it notices by itself.
    parent = arguments.parent
    from rmkeras.quiet import import_tensorflow

    import_tensorflow()
    from rmkeras.models import REWARD_MODELS, load_model

    with (
        Store(arguments.db, must_exist=True) as store,
        contextlib.suppress(KeyboardInterrupt),
    ):
        keep_scoring(
            store,
            arguments.model,
            lambda folder: load_model(folder, REWARD_MODELS),
            lambda: os.getppid() == parent,
            lambda line: print(f"annotate --model: {line}", flush=True),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
