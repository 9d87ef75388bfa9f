"""Writing feedback files, whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from rmkeras.data.records import Rating, Record
from rmkeras.data.schemas import SCHEMAS, schema_of
from rmkeras.errors import RmkerasError

FORMATS = (".csv", ".tsv", ".jsonl", ".csv.gz", ".tsv.gz", ".jsonl.gz")
"""Endings of file names that `write_records` knows."""


def check_output_name(path: str | os.PathLike) -> Path:
    """Checks, before any work is done, that a file can be written there.

    Args:
        path: The file to write.

    Returns:
        The path.

    Raises:
        RmkerasError: If the ending is not known, the folder is missing, or the
            path is a folder.

    Example:

    >>> check_output_name("ratings.csv").name
    'ratings.csv'
    """
    path = Path(path)
    if not path.name.lower().endswith(FORMATS):
        raise RmkerasError(
            f"{path}: the ending says no format; expected one of {', '.join(FORMATS)}"
        )
    if path.is_dir():
        raise RmkerasError(f"{path}: this is a folder; expected the name of a file")
    if not path.parent.is_dir():
        raise RmkerasError(
            f"{path}: the folder {path.parent} does not exist; create it first"
        )
    return path


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Opens a file that appears under its name when it is complete.

    Whatever happens in between (an exception, Ctrl-C, a full disk), the old file
    of that name, if there was one, stays as it was.

    Args:
        path: The file to write.

    Yields:
        A binary stream.

    Raises:
        RmkerasError: If the file cannot be written.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "a.txt")
    >>> with atomic_write(path) as stream:
    ...     _ = stream.write(b"all of it")
    >>> path.read_bytes()
    b'all of it'
    """
    path = Path(path)
    # In the same folder, because a rename is atomic within a file system only.
    # Opened by hand, because tempfile would make it readable by its owner alone.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RmkerasError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_records(
    path: str | os.PathLike, records: Iterable[Record], bom: bool = False
) -> int:
    """Writes records of one type in the format that the file's ending names.

    `read_records` gives back equal records, whatever the texts contain.

    Args:
        path: A name that ends in one of `FORMATS`. CSV is in UTF-8, with commas,
            decimal points, and every string in quotes; `.tsv` has tabs. Lists are
            JSON in a cell.
        records: The records, all of one type. JSON lines are written as they
            come, CSV when all of them are there.
        bom: Whether CSV starts with a byte-order mark, which Excel needs to read
            UTF-8 and other programs may trip over.

    Returns:
        The number of records written.

    Raises:
        RmkerasError: If the file cannot be written, or the records are of several
            types.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.data import Preference, read_records
    >>> path = pathlib.Path(tempfile.mkdtemp(), "pairs.csv")
    >>> write_records(path, [Preference("4", "5", "2 + 2?", margin=0.5)])
    1
    >>> read_records(path)[0].margin
    0.5
    """
    path = check_output_name(path)
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    counted = _Counted(records, path)
    with atomic_write(path) as file, contextlib.ExitStack() as stack:
        stream: BinaryIO = file
        if name.endswith(".gz"):
            # No time stamp and no name, so that equal records make equal files.
            zipped = gzip.GzipFile("", "wb", fileobj=file, mtime=0)
            stream = stack.enter_context(zipped)
        if plain.endswith(".jsonl"):
            for record in counted:
                line = json.dumps(tidy(record), ensure_ascii=False) + "\n"
                stream.write(line.encode())
        else:
            text = _csv(list(counted), "\t" if plain.endswith(".tsv") else ",")
            stream.write(text.encode("utf-8-sig" if bom else "utf-8"))
    return counted.count


def write_ratings(
    path: str | os.PathLike, records: Iterable[Rating], bom: bool = False
) -> int:
    """Writes ratings in the format that the file's ending names.

    Args:
        path: A name that ends in one of `FORMATS`; see `write_records`.
        records: The ratings.
        bom: Whether CSV starts with a byte-order mark.

    Returns:
        The number of ratings written.

    Raises:
        RmkerasError: If the file cannot be written.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.data import Rating, read_ratings
    >>> path = pathlib.Path(tempfile.mkdtemp(), "ratings.jsonl.gz")
    >>> write_ratings(path, [Rating("很好 👍", 4.0)])
    1
    >>> read_ratings(path)
    [Rating(text='很好 👍', rating=4.0, prompt=None, rater=None, aspect=None, source=None, id=None, ratings=())]
    """
    return write_records(path, records, bom)


class _Counted:
    """Counts records on their way and refuses a mixture of types."""

    def __init__(self, records: Iterable[Record], path: Path):
        self.count, self._records, self._path = 0, records, path

    def __iter__(self) -> Iterator[Record]:
        first = None
        for record in self._records:
            kind = type(record)
            first = first or kind
            if kind is not first:
                raise RmkerasError(
                    f"{self._path}: record {self.count + 1} is a {kind.__name__}, the "
                    f"first one a {first.__name__}; a file holds records of one type"
                )
            self.count += 1
            yield record


def tidy(record: Record) -> dict:
    """Returns a record's fields as they are written: 3 and not 3.0.

    Args:
        record: Any record.

    Returns:
        A dict.
    """
    fields = record.to_dict()
    for name in ("rating", "margin"):
        # 3 and not 3.0, as people write.
        if name in fields and float(fields[name]).is_integer():
            fields[name] = int(fields[name])
    return fields


def _csv(records: list[Record], delimiter: str) -> str:
    kind = schema_of(records[0]) if records else SCHEMAS["rating"]
    rows = [tidy(r) for r in records]
    used = {name for row in rows for name in row} | set(kind.required)
    stream = io.StringIO(newline="")
    # Quotes around every string: older Pythons forget them around a lone \r.
    writer = csv.DictWriter(
        stream,
        [name for name in kind.fields if name in used],
        delimiter=delimiter,
        lineterminator="\n",
        quoting=csv.QUOTE_NONNUMERIC,
    )
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return stream.getvalue()


def _cell(value):
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else value
