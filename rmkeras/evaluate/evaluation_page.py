"""The page of one evaluation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rmkeras.errors import RmkerasError
from rmkeras.evaluate import summary
from rmkeras.evaluate.evaluation_figures import evaluation_figures
from rmkeras.evaluate.page import drawn, fixed, render, write_whole
from rmkeras.evaluate.plots import label


def write_evaluation(results: dict[str, Any], path: str | os.PathLike) -> Path:
    """Writes an evaluation as one self-contained HTML file with figures.

    Nothing is loaded from elsewhere, there is no script, and every text is escaped.

    Args:
        results: What `evaluate_ratings` or `evaluate_pairs` returned, with any of
            `speed` (`measure_speed`), `probes` (`run_probes`), `rewardbench`
            (`benchmark_scores`), `model` and `data` (their names) added. Without
            `points` the figures of single texts are left out.
        path: The file; folders are made.

    Returns:
        The path.

    Raises:
        RmkerasError: If the results are of no known type, or the file can't be
            written.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from rmkeras.data import Rating
    >>> from rmkeras.evaluate import evaluate_ratings, write_evaluation
    >>> class Length:
    ...     def score(self, texts):
    ...         return np.array([len(t) for t in texts], float)
    >>> found = evaluate_ratings(Length(), [Rating("a", 1.0), Rating("bb", 3.0)])
    >>> write_evaluation(found, tempfile.mkdtemp() + "/page.html").name
    'page.html'

    Source: Mitchell et al., "Model Cards for Model Reporting" (2019), for what such
    a page has to say.
    """
    if not isinstance(results, dict) or results.get("type") not in (
        "rating",
        "preference",
    ):
        raise RmkerasError(
            "write_evaluation needs what evaluate_ratings or evaluate_pairs returned"
        )
    return write_whole(render("evaluation.html", _context(results)), path, "evaluation")


def _context(results: dict[str, Any]) -> dict[str, Any]:
    ratings = results["type"] == "rating"
    return {
        "results": results,
        "ratings": ratings,
        "figures": drawn(evaluation_figures(results)),
        "headlines": _rating_headlines(results)
        if ratings
        else _pair_headlines(results),
        "verdict": rating_verdict(results) if ratings else pair_verdict(results),
        "wrong": results["most_wrong"],
        "speed": results.get("speed") or {},
        "probes": results.get("probes") or {},
        "rewardbench": results.get("rewardbench") or {},
        "by_source": results.get("by_source") or {},
    }


def _headline(value, name, detail) -> dict[str, str]:
    return {"value": value, "name": name, "detail": detail}


def span(interval: list[float] | None, digits: int = 3) -> str:
    """An interval in words."""
    if interval is None:
        return "no interval"
    return f"95 % interval {fixed(interval[0], digits)} to {fixed(interval[1], digits)}"


def _rating_headlines(results) -> list[dict[str, str]]:
    r = summary.mean(results["pearson"])
    human = results["one_human"]
    count = len(results["pearson"])
    over = f", mean over {count} {_parts(results)}s" if count > 1 else ""
    against = f"; one human reaches {fixed(summary.mean(human))}" if human else ""
    lines = [
        _headline(
            fixed(r),
            "agreement with people",
            f"Pearson r{over}{against}",
        )
    ]
    if results["mse"] is not None:
        lines.append(
            _headline(
                fixed(results["mae"]),
                "off on average",
                "mean absolute error in the rating's unit; mean squared error "
                f"{fixed(results['mse'])}",
            )
        )
    if found := results["classification"]:
        lines.append(
            _headline(
                fixed(found["f1"]),
                f"F1 of ratings above {results['threshold']:g}",
                f"recall {fixed(found['recall'])}, precision "
                f"{fixed(found['precision'])}, accuracy {fixed(found['accuracy'])}",
            )
        )
    return lines


def _parts(results) -> str:
    """What ratings are told apart by."""
    return "aspect" if results.get("aspects") else "domain"


def _pair_headlines(results) -> list[dict[str, str]]:
    if not results["length"]:
        return []
    even = results["length"]["balanced"]
    return [
        _headline(
            fixed(results["pairwise_accuracy"], 3),
            "pairwise accuracy",
            f"{span(results['interval'])}; {results['ties']} ties; “the longer wins” "
            f"has {fixed(results['length_baseline'], 3)}",
        ),
        _headline(
            fixed(even["accuracy"], 3),
            "where length says nothing",
            f"pairs balanced by length; {span(even['interval'])}; there the longer "
            "wins in 0.500",
        ),
        _headline(
            fixed(results["ece"], 3),
            "calibration error",
            f"perfect calibration would show {fixed(results['ece_noise'], 3)} on as "
            "many pairs",
        ),
    ]


def pair_verdict(results: dict[str, Any]) -> str:
    """Says in a sentence or two what the accuracy on comparisons is worth."""
    if not results["length"]:
        return "No pair has a majority for either answer: nothing can be said."
    low, high = results["prompt_interval"]
    accuracy, base = results["pairwise_accuracy"], results["length_baseline"]
    rule = "“the longer answer wins”"
    if base < 0.5:
        base, rule = 1 - base, "“the shorter answer wins”"
    if low > base:
        text = f"The model beats the rule {rule} ({fixed(base, 3)})"
    elif high < base:
        text = f"The rule {rule} ({fixed(base, 3)}) does better than the model"
    else:
        text = f"The model cannot be told apart from the rule {rule} ({fixed(base, 3)})"
    text += f": {fixed(accuracy, 3)}, {span([low, high])}."
    even = results["length"]["balanced"]
    if even["accuracy"] is None:
        return text + " No pairs could be matched by length."
    if even["interval"][0] > 0.5:
        return text + " It knows something besides length."
    return text + (
        " Where length says nothing it cannot be told apart from guessing, or is worse."
    )


def rating_verdict(results: dict[str, Any]) -> str:
    """Says in a sentence or two what the correlations are worth."""
    sentences = []
    for name, row in (
        ("VADER", results["baselines"]["vader"]),
        ("one human", results["one_human"]),
    ):
        if not row:
            continue
        # Beaten where even the lower end is above.
        won = [d for d in row if results["pearson_interval"][d][0] > row[d]]
        part = _parts(results)
        which = {0: f"no {part}", len(row): f"every {part}"}.get(
            len(won), ", ".join(label(d).lower() for d in won)
        )
        sentences.append(f"{name} in {which}")
    return f"The model clearly beats {'; '.join(sentences)}."
