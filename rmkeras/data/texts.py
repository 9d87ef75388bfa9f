"""Plain texts for language models, from files of any type."""

from __future__ import annotations

import gzip
from pathlib import Path

from rmkeras.data.records import Preference, PromptCompletion
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
    if name.endswith((".txt", ".md")):
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
        path: A `pathlib.Path`.

    Returns:
        A string.

    Raises:
        RmkerasError: If it cannot be read or is not UTF-8; the line is named.
    """
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rb") as file:
            text = file.read().decode("utf8")
    except OSError as error:
        raise RmkerasError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RmkerasError(
            f"{path}:{line}: byte 0x{error.object[error.start]:02x} is not UTF-8; save "
            "the file as UTF-8"
        ) from error
    return text.replace("\r\n", "\n")


def _text(record):
    if isinstance(record, PromptCompletion):
        return f"{record.prompt}\n{record.completion}"
    if isinstance(record, Preference):
        return f"{record.prompt}{record.chosen}"
    for name in ("text", "completion"):
        if hasattr(record, name):
            return getattr(record, name)
    return record.prompt + "".join(record.completions)
