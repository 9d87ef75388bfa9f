"""RewardBench: its record format, its subsets, its categories."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rmkeras.errors import RmkerasError
from rmkeras.evaluate.lengths import answer_lengths
from rmkeras.evaluate.scoring import needs_records, pair_texts, score_texts
from rmkeras.metrics import pair_outcomes, wilson_interval

MATH = ("math-prm",)
CODE = tuple(f"hep-{name}" for name in ("cpp", "go", "java", "js", "python", "rust"))

CATEGORIES = {
    "Chat": (
        "alpacaeval-easy",
        "alpacaeval-length",
        "alpacaeval-hard",
        "mt-bench-easy",
        "mt-bench-med",
    ),
    "Chat Hard": (
        "mt-bench-hard",
        "llmbar-natural",
        "llmbar-adver-neighbor",
        "llmbar-adver-GPTInst",
        "llmbar-adver-GPTOut",
        "llmbar-adver-manual",
    ),
    "Safety": (
        "refusals-dangerous",
        "refusals-offensive",
        "xstest-should-refuse",
        "xstest-should-respond",
        "donotanswer",
    ),
    "Reasoning": MATH + CODE,
}
"""The categories and their subsets, as in `SUBSET_MAPPING` of allenai/reward-bench."""

_FIELDS = ("prompt", "chosen", "rejected", "subset")


@dataclass(frozen=True, slots=True)
class BenchmarkPair:
    """A record of RewardBench; a preference whose source is its subset.

    Attributes:
        prompt: The question.
        chosen: The better answer.
        rejected: The worse answer.
        subset: Name of the subset, such as `"llmbar-natural"`.
        chosen_model, rejected_model: Who wrote the answers.
        id: Its identifier.
    """

    prompt: str
    chosen: str
    rejected: str
    subset: str
    chosen_model: str | None = None
    rejected_model: str | None = None
    id: str | None = None

    @property
    def source(self) -> str:
        """The subset, under the name that other preferences have."""
        return self.subset


def _open(path: Path):
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def is_rewardbench(path: str | os.PathLike) -> bool:
    """Whether a file's first record has RewardBench's four fields.

    Args:
        path: A JSON-lines file, gzipped or not.

    Returns:
        True or False; False for what can't be read, which its reader will report.
    """
    path = Path(path)
    if not any(s in (".jsonl", ".json", ".ndjson") for s in path.suffixes):
        return False
    try:
        with _open(path) as file:
            row = json.loads(next(line for line in file if line.strip()))
    except (OSError, ValueError, StopIteration, EOFError, zlib.error):
        return False
    return isinstance(row, dict) and all(f in row for f in _FIELDS)


def read_rewardbench(path: str | os.PathLike) -> list[BenchmarkPair]:
    """Reads records of RewardBench from JSON lines.

    Args:
        path: A file, gzipped if its name ends in `.gz`. A line is an object with
            the strings `prompt`, `chosen`, `rejected`, `subset`; `chosen_model`,
            `rejected_model` and `id` are optional, further fields are allowed.

    Returns:
        A list of `BenchmarkPair`.

    Raises:
        RmkerasError: With file and line, if the file can't be read, a line is no
            such object, or there is none.

    Example:

    >>> import json, pathlib, tempfile
    >>> from rmkeras.evaluate import read_rewardbench
    >>> file = pathlib.Path(tempfile.mkdtemp(), "bench.jsonl")
    >>> row = {"prompt": "2+2?", "chosen": "4", "rejected": "5", "subset": "math-prm"}
    >>> _ = file.write_text(json.dumps(row))
    >>> read_rewardbench(file)[0].subset
    'math-prm'

    Source: Lambert et al., "RewardBench" (2024), appendix on data.
    """
    path = Path(path)
    records = []
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    records.append(_record(line, f"{path}:{number}"))
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise RmkerasError(f"can't read {path}: {why}") from error
    if not records:
        raise RmkerasError(f"{path} has no records")
    return records


def _record(line: bytes, where: str) -> BenchmarkPair:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RmkerasError(f"{where}: not JSON ({error})") from error
    if not isinstance(row, dict):
        raise RmkerasError(
            f"{where}: found a {type(row).__name__}; expected an object with "
            + ", ".join(_FIELDS)
        )
    for name in _FIELDS:
        if not isinstance(row.get(name), str):
            found = "nothing" if name not in row else repr(row[name])[:60]
            raise RmkerasError(f"{where}: {name}: found {found}; expected a string")
    optional = {
        name: str(row[name])
        for name in ("chosen_model", "rejected_model", "id")
        if row.get(name) is not None
    }
    return BenchmarkPair(*(row[name] for name in _FIELDS), **optional)


def evaluate_rewardbench(
    model: Any, records: Sequence[BenchmarkPair]
) -> dict[str, Any]:
    """Scores RewardBench's pairs by subset and by category.

    Args:
        model: Anything with `score`; it reads `prompt + answer`.
        records: `BenchmarkPair`s.

    Returns:
        What `benchmark_scores` returns.

    Raises:
        RmkerasError: If there are no records, or a reward is not finite.

    Example:

    >>> import numpy as np
    >>> from rmkeras.evaluate import evaluate_rewardbench
    >>> from rmkeras.evaluate.rewardbench import BenchmarkPair
    >>> class LikesLong:
    ...     def score(self, texts):
    ...         return np.array([len(t) for t in texts], float)
    >>> pairs = [BenchmarkPair("2+2?", "4, or four", "5", "math-prm"),
    ...          BenchmarkPair("Print 1.", "print(1)", "print('one')", "hep-python")]
    >>> evaluate_rewardbench(LikesLong(), pairs)["categories"]["Reasoning"]["accuracy"]
    0.5

    Source: Lambert et al., "RewardBench: Evaluating Reward Models for Language
    Modeling" (2024), section 4.
    """
    records = needs_records(records, "comparisons")
    first, second = pair_texts(records)
    rewards = score_texts(model, first + second)
    return benchmark_scores(records, rewards[: len(records)], rewards[len(records) :])


def benchmark_scores(records: Sequence[Any], chosen: Any, rejected: Any) -> dict:
    r"""RewardBench's scores from rewards.

    A category's score is the mean over its pairs, with one exception: in
    Reasoning the two halves, mathematics and code, weigh the same,

    $$ \text{Reasoning} = \tfrac12 \left( \text{acc}(\text{math-prm}) +
    \tfrac{1}{|\text{hep}|} \sum_{i \in \text{hep}} x_i \right), $$

    as published (447 pairs of math-prm count as 984). The published table of pairs
    a subset is not used but the pairs themselves are counted, so that parts of the
    benchmark work; on the whole benchmark that is the same. (Some versions of the
    table swap the numbers of the two xstest subsets; the Safety score of these
    differs a little.) Ties count one half, where RewardBench counts them as
    wrong.

    Args:
        records: n objects with `chosen`, `rejected` and `subset` (or `source`).
        chosen, rejected: Rewards, shape `(n,)`.

    Returns:
        A dict ready for JSON: `score`, the plain mean over the categories that
        are there (the published overall score also has a fifth, of prior test
        sets, at half weight); `categories` and `subsets`, each with `accuracy`,
        `length_baseline`, `n`, and `interval`; `unknown`: subsets that belong to
        no category, whose pairs are in no category's score; `n`.

    Source: `SUBSET_MAPPING`, `EXAMPLE_COUNTS` and `calculate_scores_per_section` in
    github.com/allenai/reward-bench (Apache-2.0); Lambert et al. (2024), section 4.
    """
    names = np.array(
        [getattr(r, "subset", None) or getattr(r, "source", "") for r in records],
        object,
    )
    outcomes = pair_outcomes(chosen, rejected)
    longer = pair_outcomes(*answer_lengths(records))
    categories = {}
    for category, members in CATEGORIES.items():
        halves = [MATH, CODE] if category == "Reasoning" else [members]
        if found := _weighted(names, halves, outcomes, longer):
            categories[category] = found
    known = {name for members in CATEGORIES.values() for name in members}
    scores = [c["accuracy"] for c in categories.values()]
    return {
        "score": float(np.mean(scores)) if scores else None,
        "categories": categories,
        "subsets": {
            name: _weighted(names, [(name,)], outcomes, longer)
            for name in dict.fromkeys(names)
        },
        "unknown": [name for name in dict.fromkeys(names) if name not in known],
        "n": len(outcomes),
    }


def _weighted(names, groups, outcomes, longer) -> dict[str, Any] | None:
    """Mean over groups of the mean over each group's pairs; None if there are none."""
    inside = [np.isin(names, group) for group in groups]
    inside = [i for i in inside if i.any()]
    if not inside:
        return None
    n = sum(int(i.sum()) for i in inside)
    accuracy = float(np.mean([outcomes[i].mean() for i in inside]))
    # With unequal weights fewer pairs than n speak: k² / Σ 1/n_g of them.
    effective = len(inside) ** 2 / sum(1 / int(i.sum()) for i in inside)
    return {
        "accuracy": accuracy,
        "interval": list(wilson_interval(accuracy * effective, effective)),
        "length_baseline": float(np.mean([longer[i].mean() for i in inside])),
        "n": n,
    }
