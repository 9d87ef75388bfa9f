"""Puts the Colab and Binder badges under each notebook's title, or checks them.

The badges are one line of the first Markdown cell. What Colab has to install is in
one place, the last section of `00_start_here`, and the line links to it, so that no
other notebook carries an installation.

    python tools/badges.py            add the line where it is missing or old
    python tools/badges.py --check    name the notebooks that lack it; status 1 if any
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "rmkeras/rmkeras"
BRANCH = "main"
HOW = (
    f"https://github.com/{REPOSITORY}/blob/{BRANCH}/notebooks/00_start_here.ipynb"
    "#4-·-Where-to-run-it"
)


def badge_line(name):
    """Returns the line of badges for a notebook.

    Args:
        name: Its file name in `notebooks/`, such as `"09_reinforce.ipynb"`.

    Returns:
        One line of Markdown.
    """
    colab = (
        f"https://colab.research.google.com/github/{REPOSITORY}/blob/{BRANCH}"
        f"/notebooks/{name}"
    )
    binder = (
        f"https://mybinder.org/v2/gh/{REPOSITORY}/{BRANCH}"
        f"?urlpath=lab/tree/notebooks/{name}"
    )
    return (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"({colab}) [![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder}) "
        f"[what Colab needs first]({HOW})"
    )


def with_badges(source, name):
    """Returns the first cell with the line of badges under its title.

    Args:
        source: The cell's Markdown; its first line is the title.
        name: The notebook's file name.

    Returns:
        The same text with the line added or replaced.

    Raises:
        ValueError: If the text does not begin with a title.
    """
    lines = source.split("\n")
    if not lines[0].startswith("# "):
        raise ValueError(
            f"{name}: the first cell begins with {lines[0][:40]!r}; expected a title"
        )
    old = [i for i, line in enumerate(lines) if line.startswith("[![Open in Colab]")]
    if old:
        lines[old[0]] = badge_line(name)
    else:
        lines[1:1] = ["", badge_line(name)]
    return "\n".join(lines)


def update(path, write=True):
    """Adds or updates the badges of one notebook.

    Args:
        path: The notebook.
        write: Whether to write it; otherwise it is only looked at.

    Returns:
        Whether the badges were missing or old.
    """
    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    first = notebook.cells[0]
    if first.cell_type != "markdown":
        raise ValueError(f"{path.name}: the first cell is not Markdown")
    mended = with_badges(first.source, path.name)
    if mended == first.source:
        return False
    if write:
        first.source = mended
        nbformat.write(notebook, path)
    return True


def main(arguments=None):
    """Updates or checks all notebooks of the course; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all")
    options = parser.parse_args(arguments)
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    behind = [path for path in paths if update(path, write=not options.check)]
    for path in behind:
        print(f"{path.name}: {'no badges' if options.check else 'badges added'}")
    return 1 if options.check and behind else 0


if __name__ == "__main__":
    sys.exit(main())
