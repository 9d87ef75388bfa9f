"""Checkpoints that are whole or passed over: one file each, with its checksum."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from rmkeras.errors import RmkerasError

MAGIC = b"rmkeras-checkpoint-1 "
HEAD = len(MAGIC) + 64 + 1
NUMBERS = "__numbers__"
BLOCK = 1 << 20


class Checkpoints:
    """The last few checkpoints of a run, in a folder.

    A file begins with the SHA-256 of all that follows, an `.npz` of arrays and
    numbers. It gets its name when it is complete and on the disk, so a kill at any
    moment leaves the ones before. What is damaged all the same (a torn disk, a bad
    copy) is noticed by its checksum and passed over for the one before.

    Args:
        folder: Where they are.
        keep: How many are kept.
        say: Takes a line when one is passed over.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from rmkeras.distribute import Checkpoints
    >>> kept = Checkpoints(tempfile.mkdtemp())
    >>> _ = kept.save(10, {"epoch": 1}, {"w": np.ones(3)})
    >>> numbers, arrays = kept.latest()
    >>> numbers["epoch"], arrays["w"].tolist()
    (1, [1.0, 1.0, 1.0])
    """

    def __init__(self, folder, keep=3, say=lambda line: None):
        self.folder = Path(folder)
        self.keep = max(1, keep)
        self.say = say

    def files(self):
        """Returns the files, newest first."""
        return sorted(self.folder.glob("update-*.ckpt"), reverse=True)

    def save(self, update, numbers, arrays):
        """Writes one, then removes those beyond `keep`.

        Args:
            update: Number of updates done; names the file.
            numbers: What can be written as JSON.
            arrays: A dict of NumPy arrays.

        Returns:
            The file.

        Raises:
            RmkerasError: If it cannot be written; the ones before are kept.
        """
        file = self.folder / f"update-{update:012d}.ckpt"
        temporary = self.folder / f".update-{os.getpid()}.part"
        text = np.frombuffer(json.dumps(numbers).encode("utf8"), np.uint8)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(temporary, "w+b") as stream:
                stream.write(MAGIC + b"0" * 64 + b"\n")
                np.savez(stream, **{NUMBERS: text}, **arrays)
                stream.seek(len(MAGIC))
                stream.write(_digest(stream, HEAD).encode("ascii"))
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, file)
            _sync_folder(self.folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            left = self.files()
            kept = f"{left[0].name} is kept" if left else "there is none before it"
            raise RmkerasError(
                f"{self.folder}: the checkpoint of update {update} cannot be written "
                f"({error.strerror}); {kept}. Make room and go on with --resume"
            ) from error
        for old in self.files()[self.keep :]:
            old.unlink(missing_ok=True)
        return file

    def latest(self):
        """Reads the newest one that is whole.

        Returns:
            Numbers and arrays; `None` if there is none.

        Raises:
            RmkerasError: If there are some, and all are damaged.
        """
        damaged = []
        for file in self.files():
            try:
                found = read_checkpoint(file)
            except (OSError, ValueError) as error:
                damaged.append(file)
                self.say(f"{file} is damaged ({error}) and passed over")
                continue
            return found
        if damaged:
            raise RmkerasError(
                f"all {len(damaged)} checkpoints in {self.folder} are damaged; start "
                "anew with another --out"
            )
        return None


def read_checkpoint(file):
    """Reads one checkpoint, its checksum first.

    Args:
        file: What `Checkpoints.save` wrote.

    Returns:
        Numbers and arrays.

    Raises:
        ValueError: If it is damaged.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from rmkeras.distribute import Checkpoints, read_checkpoint
    >>> kept = Checkpoints(tempfile.mkdtemp())
    >>> _ = kept.save(10, {"epoch": 1}, {"w": np.ones(3)})
    >>> numbers, arrays = read_checkpoint(kept.files()[0])
    >>> numbers["epoch"], arrays["w"].tolist()
    (1, [1.0, 1.0, 1.0])
    """
    with open(file, "rb") as stream:
        head = stream.read(HEAD)
        if len(head) < HEAD or not head.startswith(MAGIC):
            raise ValueError("it does not begin as a checkpoint does")
        stated = head[len(MAGIC) : -1].decode("ascii", "replace")
        if _digest(stream, HEAD) != stated:
            raise ValueError("its checksum is wrong")
        stream.seek(HEAD)
        with np.load(stream, allow_pickle=False) as stored:
            arrays = dict(stored)
    numbers = json.loads(arrays.pop(NUMBERS).tobytes().decode("utf8"))
    return numbers, arrays


def _digest(stream, start):
    """SHA-256 of the file from `start`, in bounded memory; the place is kept."""
    place, digest = stream.tell(), hashlib.sha256()
    stream.seek(start)
    while block := stream.read(BLOCK):
        digest.update(block)
    stream.seek(place)
    return digest.hexdigest()


def _sync_folder(folder):
    # Without it the new name may be lost in a power cut, though the bytes are there.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
