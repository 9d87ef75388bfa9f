"""Evaluating a reward model on ratings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rmkeras.evaluate.baselines import vader_compound
from rmkeras.evaluate.scoring import (
    needs_records,
    rating_text,
    score_texts,
    sources,
    spread,
)
from rmkeras.metrics import (
    brier_score,
    calibration_noise,
    classification_scores,
    expected_calibration_error,
    fisher_interval,
    kendall,
    one_rater_against_rest,
    pearson,
    reliability_bins,
    spearman,
    wilson_interval,
)


def evaluate_ratings(
    model: Any,
    records: Sequence[Any],
    threshold: float = 0.0,
    worst: int = 20,
    scores: Any = None,
) -> dict[str, Any]:
    r"""Compares a reward model with people's ratings.

    $$ r_d = \operatorname{pearson}(\hat y_i, y_i)_{i \in d}, \qquad
    \text{MSE} = \frac1n \sum_i (\hat y_i - y_i)^2 $$

    with $d$ a domain, the records of one `source`.

    Args:
        model: Anything with `score`: a list of n strings in, an array `(n,)` out.
            If its `task` is `"classification"`, the scores are probabilities of a
            rating above `threshold`; if it is `"regression"` or missing, they are
            in the unit of the ratings; of any other task only the order counts.
        records: Ratings: objects with `text`, `rating`, and if they have them
            `source`, `prompt`, `ratings` (of single people), `id`.
        threshold: Above which rating a text counts as positive.
        worst: How many of the texts that the model is most wrong about to return.
        scores: `(n,)` scores of the records, if they are known; the model is asked
            if `None`.

    Returns:
        A dict ready for JSON:

        - `type` is `"rating"`; `n` texts, `task`;
        - `pearson`: by domain, with `pearson_interval` (Fisher's, 95 %),
          `spearman`, `spearman_interval`, `kendall` and `n_by_domain`;
        - `mse`, `mae`, each with an interval; None where scores have no unit in
          common with ratings;
        - `one_human`: by domain, one rater against the mean of the others, where
          single ratings are known; `one_human_n` texts of it, `beats_one_human`;
        - `baselines`: Pearson by domain of `vader` and of `length` alone;
        - `length_correlation`: Pearson of score and length in characters, by
          domain, and of rating and length;
        - `classification`: accuracy (with interval), precision, recall, F1 of
          telling ratings above `threshold`, and ROC AUC;
        - `calibration`: for a classifier `ece`, `ece_noise`, `brier`,
          `reliability`; for a regressor the line rating ≈ intercept + slope ·
          score and the means of both in tenths of the scores;
        - `reward`: minimum, mean, median, maximum, standard deviation;
        - `most_wrong`: the texts with the largest error, worst first;
        - `points`: by domain, rating, score and length of single texts, for figures.

    Raises:
        RmkerasError: If there are no records, or a score is not finite.

    Example:

    >>> import numpy as np
    >>> from rmkeras.data import Rating
    >>> from rmkeras.evaluate import evaluate_ratings
    >>> class CountsGoods:
    ...     def score(self, texts):
    ...         return np.array([t.count("good") for t in texts], float)
    >>> records = [Rating("good", 1.5), Rating("good good", 2.0), Rating("bad", -1.0)]
    >>> found = evaluate_ratings(CountsGoods(), records)
    >>> round(found["pearson"]["all"], 3), round(found["mse"], 3), found["n"]
    (0.933, 0.417, 3)

    Source: Hutto and Gilbert (2014), section 4, compare with one human likewise.
    """
    records = needs_records(records, "ratings")
    texts = [rating_text(r) for r in records]
    scores = score_texts(model, texts) if scores is None else scores
    ratings = np.array([r.rating for r in records], "float64")
    names = sources(records)
    domains = list(dict.fromkeys(names))
    task = getattr(model, "task", None) or "regression"
    one_human, one_human_n = _one_human(records, names)
    by_domain = _agreement(scores, ratings, names, domains)
    lengths = np.array([len(t) for t in texts], "float64")
    plain = [r.text for r in records]
    return {
        "type": "rating",
        "task": task,
        **by_domain,
        **_errors(scores, ratings, task),
        "n": len(records),
        "one_human": one_human,
        "one_human_n": one_human_n,
        "beats_one_human": {
            d: by_domain["pearson"][d] > r for d, r in one_human.items()
        },
        "baselines": {
            "vader": _by(pearson, vader_compound(plain), ratings, names, domains),
            "length": _by(pearson, lengths, ratings, names, domains),
        },
        "length_correlation": _by(pearson, scores, lengths, names, domains),
        "threshold": threshold,
        "classification": _classification(scores, ratings, task, threshold),
        "calibration": _calibration(scores, ratings, task, threshold),
        "reward": spread(scores),
        "most_wrong": _most_wrong(records, scores, ratings, task, threshold, worst),
        "points": {
            d: {
                "human": ratings[names == d].tolist(),
                "predicted": scores[names == d].tolist(),
                "length": lengths[names == d].tolist(),
            }
            for d in domains
        },
    }


def _by(measure, x, y, names, domains) -> dict[str, float]:
    return {d: measure(x[names == d], y[names == d]) for d in domains}


def _agreement(scores, ratings, names, domains) -> dict[str, Any]:
    counts = {d: int((names == d).sum()) for d in domains}
    r = _by(pearson, scores, ratings, names, domains)
    rho = _by(spearman, scores, ratings, names, domains)
    return {
        "pearson": r,
        "pearson_interval": {d: list(fisher_interval(r[d], counts[d])) for d in r},
        "spearman": rho,
        "spearman_interval": {
            d: list(fisher_interval(rho[d], counts[d], rank=True)) for d in rho
        },
        "kendall": _by(kendall, scores, ratings, names, domains),
        "n_by_domain": counts,
    }


def _errors(scores, ratings, task) -> dict[str, Any]:
    found: dict[str, Any] = {}
    errors = scores - ratings
    for name, values in (("mse", errors**2), ("mae", np.abs(errors))):
        if task != "regression":
            # A probability, or a reward known up to a constant, has no unit in
            # common with a rating.
            found |= {name: None, f"{name}_interval": None}
            continue
        mean = float(values.mean())
        reach = 1.96 * float(values.std()) / max(len(values) - 1, 1) ** 0.5
        found |= {
            name: mean,
            f"{name}_interval": [max(0.0, mean - reach), mean + reach],
        }
    return found


def _one_human(records, names) -> tuple[dict[str, float], dict[str, int]]:
    """One rater against the rest, in the domains that know their raters."""
    several = np.array([len(getattr(r, "ratings", None) or ()) > 1 for r in records])
    agreement, counts = {}, {}
    for d in dict.fromkeys(names[several]):
        rows = [records[i].ratings for i in np.flatnonzero(several & (names == d))]
        agreement[d], counts[d] = one_rater_against_rest(rows), len(rows)
    return agreement, counts


def _positive(scores, task, threshold) -> np.ndarray | None:
    if task == "classification":
        return scores > 0.5
    return scores > threshold if task == "regression" else None


def _classification(scores, ratings, task, threshold) -> dict[str, Any] | None:
    labels, predicted = ratings > threshold, _positive(scores, task, threshold)
    if predicted is None:
        return None
    found = classification_scores(labels, predicted)
    right = int((labels == predicted).sum())
    found["accuracy_interval"] = list(wilson_interval(right, len(labels)))
    found["roc_auc"] = None
    if 0 < labels.mean() < 1:
        from sklearn.metrics import roc_auc_score

        found["roc_auc"] = float(roc_auc_score(labels, scores))
    return found


def _calibration(scores, ratings, task, threshold) -> dict[str, Any] | None:
    if task == "classification":
        labels = ratings > threshold
        return {
            "ece": expected_calibration_error(scores, labels),
            "ece_noise": calibration_noise(scores),
            "brier": brier_score(scores, labels),
            "reliability": reliability_bins(scores, labels),
        }
    if task != "regression" or len(scores) < 2 or np.ptp(scores) == 0:
        return None
    slope, intercept = np.polyfit(scores, ratings, 1)
    tenths = np.array_split(np.argsort(scores, kind="stable"), min(10, len(scores)))
    return {
        "slope": float(slope),
        "intercept": float(intercept),
        "bias": float((scores - ratings).mean()),
        "reliability": [
            {
                "n": len(part),
                "predicted": float(scores[part].mean()),
                "human": float(ratings[part].mean()),
            }
            for part in tenths
        ],
    }


def _most_wrong(records, scores, ratings, task, threshold, worst) -> list[dict]:
    if task == "classification":
        error = scores - (ratings > threshold)
    elif task == "regression":
        error = scores - ratings
    else:
        # Only the order counts: compare standings, in standard deviations.
        error = _standard(scores) - _standard(ratings)
    rows = []
    for i in np.argsort(-np.abs(error), kind="stable")[:worst]:
        record = records[i]
        rows.append(
            {
                "prompt": getattr(record, "prompt", None) or "",
                "text": record.text,
                "rating": float(ratings[i]),
                "reward": float(scores[i]),
                "error": float(error[i]),
                "source": getattr(record, "source", None),
                "id": getattr(record, "id", None),
            }
        )
    return rows


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() or 1.0)
