"""Plain texts for language models, from files of any type."""

from __future__ import annotations

import sys
from pathlib import Path

from rmkeras.data.plain import PLAIN, SAVE
from rmkeras.data.problems import Problem
from rmkeras.data.records import Preference, PromptCompletion
from rmkeras.data.source import TextSource, escaped_byte
from rmkeras.data.usable import usable_records
from rmkeras.errors import RmkerasError


def read_corpus(path, say=lambda line: None, template=None):
    """Reads the texts of a file.

    Args:
        path: A plain text file (`.txt` or `.md`, gzipped or not): its documents are
            set apart by empty lines, or, if it has none, each line is one. Or any
            feedback file; see `read_records`. Of comparisons the chosen answers are
            taken, of prompts and completions both. Or a dataset that TFDS has
            prepared, with a feature `text`: `tfds:NAME/CONFIG:SPLIT`.
        say: Takes one line about what was left out.
        template: How chat messages become strings.

    Returns:
        A list of strings.

    Raises:
        RmkerasError: If the file cannot be read, or there is no text in it.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.data.texts import read_corpus
    >>> path = pathlib.Path(tempfile.mkdtemp(), "poems.txt")
    >>> _ = path.write_text("Roses are red,\\nviolets blue.\\n\\nA second one.\\n")
    >>> read_corpus(path)
    ['Roses are red,\\nviolets blue.', 'A second one.']
    """
    name = str(path).removesuffix(".gz")
    if name.endswith(PLAIN):
        text = read_plain(Path(path))
        texts = text.split("\n\n" if "\n\n" in text.strip() else "\n")
    else:
        _, records = usable_records(path, say, template=template)
        texts = [_text(r) for r in (records() if callable(records) else records)]
    texts = [t.strip("\n") for t in texts if t.strip()]
    if not texts:
        raise RmkerasError(f"{path} holds no text; expected at least one line of it")
    return texts


def read_plain(path):
    """Reads a text file, gzipped or not, with one kind of line end.

    Args:
        path: A `pathlib.Path`. UTF-8, or UTF-16 with its mark, as feedback files.

    Returns:
        A string.

    Raises:
        RmkerasError: If it cannot be read to its end or is not UTF-8; the line is
            named.
    """

    def refuse(line, found, expected, hint="", fatal=True):
        raise RmkerasError(str(Problem(str(path), line, None, found, expected, hint)))

    # A whole corpus may stand on one line.
    source = TextSource(path, refuse, "a text file in UTF-8", SAVE, sys.maxsize - 1)
    lines = []
    for number, line in enumerate(source.lines(), 1):
        if found := escaped_byte(line):
            byte = f"byte 0x{found[0]:02X} in column {found[1]} is not UTF-8"
            refuse(number, byte, "a file in UTF-8", SAVE)
        lines.append(line.rstrip("\r\n") + "\n" if line[-1] in "\r\n" else line)
    return "".join(lines)


def _text(record):
    if isinstance(record, PromptCompletion):
        return f"{record.prompt}\n{record.completion}"
    if isinstance(record, Preference):
        return f"{record.prompt}{record.chosen}"
    for name in ("text", "completion"):
        if hasattr(record, name):
            return getattr(record, name)
    return record.prompt + "".join(record.completions)
