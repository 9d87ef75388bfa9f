"""Losses and policy objectives, in `keras.ops` only."""

from rmkeras.losses.listwise import BestOfN, PlackettLuce
from rmkeras.losses.multitask import (
    AdaptiveWeights,
    AspectLoss,
    UncertaintyWeights,
    dynamic_weights,
)
from rmkeras.losses.pairwise import BradleyTerry
from rmkeras.losses.pointwise import RaterSpread
from rmkeras.losses.policy import (
    clipped_policy_loss,
    clipped_value_loss,
    kl_estimate,
    masked_average,
    preference_policy_loss,
    reinforce_loss,
    token_log_probabilities,
)
from rmkeras.losses.stepwise import StepwiseCrossentropy

__all__ = [
    "AdaptiveWeights",
    "AspectLoss",
    "BestOfN",
    "BradleyTerry",
    "PlackettLuce",
    "RaterSpread",
    "StepwiseCrossentropy",
    "UncertaintyWeights",
    "clipped_policy_loss",
    "clipped_value_loss",
    "dynamic_weights",
    "kl_estimate",
    "masked_average",
    "preference_policy_loss",
    "reinforce_loss",
    "token_log_probabilities",
]
