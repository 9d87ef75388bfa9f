"""What decides a training run's result: its data and options, in a few words."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras

from rmkeras.models.saving import MODEL_FILE


def run_decides(out, records, **options):
    """Describes a run, for `train` to compare when it goes on.

    Args:
        out: The folder that the run is saved in; if `None`, nothing is compared.
        records: The training data: a list, or a function that returns a new iterator.
        **options: What else decides the result, as JSON can write it.

    Returns:
        A dict, or `None`.

    Example:

    >>> from rmkeras.models.decides import run_decides
    >>> run_decides("runs/a", ["a good film"], seed=0)["data"]
    '1 records (sha256 9b2392fdc1a4)'
    """
    if out is None:
        return None
    digest, count = hashlib.sha256(), 0
    for record in records() if callable(records) else records:
        # Not JSON: records are dataclasses, and texts may hold lone surrogates.
        digest.update(repr(record).encode("utf8") + b"\n")
        count += 1
    return {
        **options,
        "precision": keras.config.dtype_policy().name,
        "data": f"{count} records (sha256 {digest.hexdigest()[:12]})",
    }


def described_model(name):
    """Names the model that a run starts from.

    Args:
        name: A builder's name, a preset, a folder or a `.keras` file.

    Returns:
        The name; of what rmkeras saved, the file's digest too, since one folder may
        hold other weights tomorrow. Where it lies does not matter.
    """
    path = Path(name)
    file = path if path.suffix == ".keras" else path / MODEL_FILE
    if not file.is_file():
        return path.name if path.is_dir() else str(name)
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return f"{path.resolve().name} (sha256 {digest.hexdigest()[:12]})"
