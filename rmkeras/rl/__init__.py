"""Reinforcement learning from rewards: sample, score, update."""

from rmkeras.rl.advantages import (
    generalized_advantages,
    group_advantages,
    leave_one_out_baseline,
    rewards_to_go,
    whiten,
)
from rmkeras.rl.grpo import GRPO
from rmkeras.rl.kl_control import AdaptiveKL, FixedKL
from rmkeras.rl.online import OnlineTrainer, frozen_copy
from rmkeras.rl.ppo import PPO
from rmkeras.rl.reinforce import Reinforce
from rmkeras.rl.rejection import RejectionSampling
from rmkeras.rl.rloo import RLOO
from rmkeras.rl.sampler import Sampler, Samples, SamplingOptions, decode_loop

__all__ = [
    "GRPO",
    "PPO",
    "RLOO",
    "AdaptiveKL",
    "FixedKL",
    "OnlineTrainer",
    "Reinforce",
    "RejectionSampling",
    "Sampler",
    "Samples",
    "SamplingOptions",
    "decode_loop",
    "frozen_copy",
    "generalized_advantages",
    "group_advantages",
    "leave_one_out_baseline",
    "rewards_to_go",
    "whiten",
]
