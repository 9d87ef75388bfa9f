"""The prompts and completions that come with rmkeras."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rmkeras.data.readers import read_records
from rmkeras.data.records import PromptCompletion
from rmkeras.errors import RmkerasError

FILE = "sft_pairs.jsonl"
HELD_OUT = 0.2


def load_sft_pairs(part: str = "all") -> list[PromptCompletion]:
    """Reads the instruction pairs of `data/sft_pairs.jsonl`.

    Args:
        part: `"train"`, `"test"` or `"all"`. Sorted by the SHA-256 of the prompt,
            the first 80 % are to train on and the last 20 % are held out.

    Returns:
        A list of `PromptCompletion`.

    Raises:
        RmkerasError: If the file is not there, or there is no such part.

    Example:

    >>> from rmkeras.data import load_sft_pairs
    >>> len(load_sft_pairs("train")), len(load_sft_pairs("test"))
    (310, 77)
    """
    import warnings

    if part not in ("train", "test", "all"):
        raise RmkerasError(f"no part {part!r}; expected train, test or all")
    file = Path(__file__).resolve().parents[2] / "data" / FILE
    if not file.is_file():
        raise RmkerasError(
            f"{file} is not there; it comes with the checkout of rmkeras, not with the "
            "installed package. Take a checkout, or a file of your own with the fields "
            "prompt and completion"
        )
    with warnings.catch_warnings():
        # A note that `source` is no field of this type; it is there for people.
        warnings.simplefilter("ignore")
        records = read_records(file)
    records = sorted(records, key=lambda r: hashlib.sha256(r.prompt.encode()).digest())
    cut = round((1 - HELD_OUT) * len(records))
    return {"train": records[:cut], "test": records[cut:], "all": records}[part]
