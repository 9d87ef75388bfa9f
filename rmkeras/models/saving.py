"""Loading what was saved, with Keras' safe mode on."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
import zlib
from pathlib import Path

import keras

from rmkeras.errors import RmkerasError

MODEL_FILE = "model.keras"
BEFORE_FILE = "model.before.keras"


def whole(file):
    """Whether a `.keras` file is complete and undamaged, by its own checksums.

    Args:
        file: A path.

    Returns:
        A bool.
    """
    if not (Path(file).exists() and zipfile.is_zipfile(file)):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error):
        return False


def keep_before(out):
    """Keeps the checkpoint that is about to be replaced, under another name.

    Args:
        out: A folder that may hold `model.keras`.
    """
    file, before = Path(out) / MODEL_FILE, Path(out) / BEFORE_FILE
    if file.exists():
        before.unlink(missing_ok=True)
        try:
            os.link(file, before)
        except OSError:  # A file system without links.
            shutil.copyfile(file, before)


def mend(out):
    """Puts the checkpoint before in place of one that is damaged, and says so.

    Args:
        out: A folder with `model.keras`.
    """
    file, before = Path(out) / MODEL_FILE, Path(out) / BEFORE_FILE
    if whole(file) or not whole(before):
        return
    os.replace(before, file)
    print(
        f"rmkeras: {file} was damaged or missing; the checkpoint before it is taken",
        file=sys.stderr,
        flush=True,
    )


def load_model(path, kind=None):
    """Loads a model that rmkeras saved.

    It is `keras.saving.load_model` with safe mode on, after the classes of this
    package have been imported, and with one clear message for each thing that
    can be wrong with the file.

    Args:
        path: A `.keras` file, or the folder that holds `model.keras`.
        kind: The class expected, such as `RewardModel`, or several; any if `None`.

    Returns:
        The model, its tokeniser included.

    Raises:
        RmkerasError: If there is no such file, if it is not a Keras file or is
            cut short, or if it holds a model of another kind.

    Example:

    >>> import os, tempfile
    >>> from rmkeras.models import load_model, lstm_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.keras")
    >>> lstm_reward_model(tokenizer, dim=8, units=4).save(path)
    >>> load_model(path).score("a good film").shape
    (1,)
    """
    # The classes register themselves with Keras when they are imported.
    from rmkeras.models import (  # noqa: F401
        aspect_model,
        backbone,
        bert,
        causal_lm,
        ensemble,
        ilql_model,
        masked_lm,
        optimizer,
        recurrent_lm,
    )

    path = Path(path)
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.exists():
        where = f"{path} holds no {MODEL_FILE}" if path.is_dir() else f"no file {path}"
        raise RmkerasError(
            f"{where}; expected a model saved by rmkeras, such as the folder that "
            "train-reward --out wrote"
        )
    if not zipfile.is_zipfile(file):
        raise RmkerasError(
            f"{file} is not a complete .keras file ({file.stat().st_size} bytes); "
            "copy or train it again"
        )
    try:
        model = keras.saving.load_model(file, safe_mode=True)
    except (TypeError, ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        first = str(error).strip().splitlines()[0][:300]
        raise RmkerasError(f"{file} cannot be loaded: {first}") from error
    if kind is not None and not isinstance(model, kind):
        names = [k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,))]
        raise RmkerasError(
            f"{file} holds a {type(model).__name__}; expected a {' or '.join(names)}"
        )
    return model
