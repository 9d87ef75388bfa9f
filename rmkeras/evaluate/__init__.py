"""Evaluation: of reward models on ratings and comparisons, baselines, the reports.

Names are imported when they are first used, because scikit-learn and Matplotlib
take a second to load.
"""

import importlib

_HOMES = {
    "cross_validate_pairs": "folds",
    "evaluate_aspects": "aspects",
    "evaluate_labels": "labels",
    "evaluate_pairs": "pairs",
    "evaluate_ratings": "ratings",
    "evaluate_rewardbench": "rewardbench",
    "fit_overoptimization": "overoptimization",
    "fit_tfidf_pairs": "folds",
    "measure_speed": "speed",
    "rated_by_aspect": "aspects",
    "read_rewardbench": "rewardbench",
    "run_probes": "probes",
    "tfidf_logistic_pairs": "folds",
    "tfidf_ridge": "baselines",
    "vader_compound": "baselines",
    "write_evaluation": "evaluation_page",
    "write_figures": "images",
    "write_report": "report",
}

__all__ = [
    "cross_validate_pairs",
    "evaluate_aspects",
    "evaluate_labels",
    "evaluate_pairs",
    "evaluate_ratings",
    "evaluate_rewardbench",
    "fit_overoptimization",
    "fit_tfidf_pairs",
    "measure_speed",
    "rated_by_aspect",
    "read_rewardbench",
    "run_probes",
    "tfidf_logistic_pairs",
    "tfidf_ridge",
    "vader_compound",
    "write_evaluation",
    "write_figures",
    "write_report",
]


def __getattr__(name: str):
    if name in _HOMES:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
        return getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
