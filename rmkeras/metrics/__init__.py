"""Metrics: agreement with people and among people, calibration, variety of texts."""

from rmkeras.metrics.agreement import (
    one_rater_against_rest,
    spearman_brown,
    split_half_reliability,
)
from rmkeras.metrics.answers import answer_scores
from rmkeras.metrics.calibration import (
    brier_score,
    calibration_noise,
    expected_calibration_error,
    pair_confidence,
    reliability_bins,
)
from rmkeras.metrics.chance import cohen_kappa, krippendorff_alpha
from rmkeras.metrics.correlation import pearson, per_domain_pearson
from rmkeras.metrics.diversity import distinct_n
from rmkeras.metrics.intervals import (
    clustered_wilson_interval,
    effective_size,
    fisher_interval,
    wilson_interval,
)
from rmkeras.metrics.pairwise import pair_outcomes, pairwise_accuracy
from rmkeras.metrics.ranking import classification_scores, kendall, spearman

__all__ = [
    "PairwiseAccuracy",
    "PearsonCorrelation",
    "answer_scores",
    "brier_score",
    "calibration_noise",
    "classification_scores",
    "clustered_wilson_interval",
    "cohen_kappa",
    "distinct_n",
    "effective_size",
    "expected_calibration_error",
    "fisher_interval",
    "kendall",
    "krippendorff_alpha",
    "one_rater_against_rest",
    "pair_confidence",
    "pair_outcomes",
    "pairwise_accuracy",
    "pearson",
    "per_domain_pearson",
    "reliability_bins",
    "spearman",
    "spearman_brown",
    "split_half_reliability",
    "wilson_interval",
]


def __getattr__(name: str):
    # These two are Keras metrics; the others do without TensorFlow.
    if name in ("PairwiseAccuracy", "PearsonCorrelation"):
        from rmkeras.metrics import streaming

        return getattr(streaming, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
