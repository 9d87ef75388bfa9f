"""Small tasks that come with the checkout: prompts and what a good answer to each is."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

from rmkeras.data.readers import read_records
from rmkeras.data.records import Preference, PromptCompletion
from rmkeras.errors import RmkerasError

FILES = {
    "dialogue": "dialogues.jsonl",
    "summary": "summaries.jsonl",
    "question": "questions.jsonl",
    "translation": "parallel_en_fr.jsonl",
    "replies": "replies.jsonl",
}
TASKS = tuple(FILES)
PREFIXES = {"summary": "In short: ", "translation": "In French: "}
"""What is put before a prompt, so that one model can tell its tasks apart."""

HELD_OUT = 0.2


def load_task(task: str, part: str = "all") -> list[PromptCompletion | Preference]:
    """Reads the pairs of one task.

    Args:
        task: `"dialogue"`, `"summary"`, `"question"` or `"translation"` (English to
            French): prompts and completions. `"replies"`: comparisons of a civil
            reply, the chosen one, with a rude one.
        part: `"train"`, `"test"` or `"all"`. Prompts are sorted by their SHA-256;
            the first 80 % are to train on, the last 20 % are held out. No prompt is
            in both.

    Returns:
        A list of `PromptCompletion`, or of `Preference` for `"replies"`.

    Raises:
        RmkerasError: If there is no such task or part, or the file is not there.

    Example:

    >>> from rmkeras.data import load_task
    >>> record = load_task("translation", "test")[0]
    >>> record.prompt.startswith("In French: "), len(load_task("translation"))
    (True, 807)
    """
    if task not in FILES:
        raise RmkerasError(f"no task {task!r}; expected one of {', '.join(TASKS)}")
    if part not in ("train", "test", "all"):
        raise RmkerasError(f"no part {part!r}; expected train, test or all")
    file = Path(__file__).resolve().parents[2] / "data" / FILES[task]
    if not file.is_file():
        raise RmkerasError(
            f"{file} is not there; it comes with the checkout of rmkeras, not with the "
            "installed package. Take a checkout, or a file of your own with the fields "
            "prompt and completion"
        )
    with warnings.catch_warnings():
        # A note that `source` is no field of this type; it names a pattern.
        warnings.simplefilter("ignore")
        records = read_records(file)
    prefix = PREFIXES.get(task, "")
    if prefix:
        records = [PromptCompletion(prefix + r.prompt, r.completion) for r in records]
    # By prompt, as a prompt may have several pairs of replies.
    prompts = sorted({r.prompt for r in records}, key=_digest)
    cut = round((1 - HELD_OUT) * len(prompts))
    wanted = {"train": prompts[:cut], "test": prompts[cut:], "all": prompts}[part]
    place = {prompt: i for i, prompt in enumerate(wanted)}
    kept = [r for r in records if r.prompt in place]
    return sorted(kept, key=lambda r: place[r.prompt])


def _digest(prompt):
    return hashlib.sha256(prompt.encode()).digest()
