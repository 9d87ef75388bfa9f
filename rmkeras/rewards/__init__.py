"""Rewards behind one protocol: completions in, scores out."""

from rmkeras.rewards.base import FunctionReward, Reward
from rmkeras.rewards.combined import WeightedSum
from rmkeras.rewards.human import HumanReward, ask_in_terminal
from rmkeras.rewards.learned import LearnedReward
from rmkeras.rewards.moderation import ModerationReward, default_threshold
from rmkeras.rewards.named import NAMED_REWARDS, named_reward
from rmkeras.rewards.references import (
    BleuReward,
    ChrfReward,
    ExactMatch,
    RougeReward,
)
from rmkeras.rewards.rules import (
    ForbiddenWords,
    FormatReward,
    LengthReward,
    ReadabilityReward,
    RepetitionPenalty,
)

__all__ = [
    "NAMED_REWARDS",
    "BleuReward",
    "ChrfReward",
    "ExactMatch",
    "ForbiddenWords",
    "FormatReward",
    "FunctionReward",
    "HumanReward",
    "LearnedReward",
    "LengthReward",
    "ModerationReward",
    "ReadabilityReward",
    "RepetitionPenalty",
    "Reward",
    "RougeReward",
    "WeightedSum",
    "ask_in_terminal",
    "default_threshold",
    "named_reward",
]
