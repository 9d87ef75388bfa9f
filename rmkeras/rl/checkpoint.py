"""A policy and everything its training needs to go on, in one file."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from rmkeras.errors import RmkerasError
from rmkeras.models.saving import MODEL_FILE, keep_before, mend, whole

NUMBERS, ARRAYS = "alignment.json", "alignment.npz"
UNFINISHED = ".model-*.keras"


def begin_run(out):
    """Makes the folder, and removes what a killed run did not write to its end.

    The folder alone says that a run began: see `nothing_saved`.

    Args:
        out: Folder.

    Raises:
        RmkerasError: If it cannot be made.
    """
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file in out.glob(UNFINISHED):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise RmkerasError(
            f"--out {out}: cannot be written ({error.strerror})"
        ) from error


def nothing_saved(out):
    """Whether a run began in this folder and was ended before its first checkpoint.

    Args:
        out: Folder.

    Returns:
        A bool; false also if the folder holds anything else.
    """
    out = Path(out)
    unfinished = set(out.glob(UNFINISHED))
    return out.is_dir() and all(file in unfinished for file in out.iterdir())


def save_run(out, policy, numbers, arrays):
    """Writes a checkpoint that takes its name when it is complete.

    The policy is an ordinary `model.keras`; numbers and arrays travel in the same
    archive, so that a kill -9 cannot leave a new policy beside an old optimizer.

    Args:
        out: Folder.
        policy: A language model.
        numbers: What can be written as JSON.
        arrays: A dict of NumPy arrays.

    Raises:
        RmkerasError: If it cannot be written; the last one is kept then.
    """
    out = Path(out)
    temporary = out / UNFINISHED.replace("*", str(os.getpid()))
    try:
        out.mkdir(parents=True, exist_ok=True)
        policy.save(temporary)
        with io.BytesIO() as buffer, zipfile.ZipFile(temporary, "a") as archive:
            np.savez(buffer, **arrays)
            archive.writestr(NUMBERS, json.dumps(numbers))
            archive.writestr(ARRAYS, buffer.getvalue())
        keep_before(out)
        os.replace(temporary, out / MODEL_FILE)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RmkerasError(
            f"{out}: the checkpoint cannot be written ({error.strerror}); the last "
            "one is kept. Make room and go on with --resume"
        ) from error


def load_run(out):
    """Reads what `save_run` wrote beside the policy.

    Args:
        out: Folder.

    Returns:
        Numbers and arrays.

    Raises:
        RmkerasError: If there is no checkpoint.
    """
    mend(out)
    file = Path(out) / MODEL_FILE
    if whole(file):
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if NUMBERS in names and ARRAYS in names:
                with np.load(
                    io.BytesIO(archive.read(ARRAYS)), allow_pickle=False
                ) as stored:
                    arrays = dict(stored)
                return json.loads(archive.read(NUMBERS)), arrays
    raise RmkerasError(
        f"nothing to resume: {out} holds no checkpoint of align; leave out --resume "
        "to start anew"
    )


def fingerprint(model):
    """A short text that changes when any weight does.

    Args:
        model: A Keras model.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:16]
