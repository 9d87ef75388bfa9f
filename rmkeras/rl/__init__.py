"""Reinforcement learning from rewards: sample, score, update."""

from rmkeras.rl.advantages import (
    generalized_advantages,
    group_advantages,
    leave_one_out_baseline,
    rewards_to_go,
    whiten,
)
from rmkeras.rl.algorithms import ALGORITHMS
from rmkeras.rl.alignment import Look, align
from rmkeras.rl.best_of_n import BestOfN, best_of_n_curve, best_of_n_kl
from rmkeras.rl.deep_q import SoftQLearning
from rmkeras.rl.dpo import DPO, train_dpo
from rmkeras.rl.grpo import GRPO
from rmkeras.rl.ilql import ILQLModel, train_ilql
from rmkeras.rl.kl_control import AdaptiveKL, FixedKL
from rmkeras.rl.online import OnlineTrainer, frozen_copy
from rmkeras.rl.ppo import PPO
from rmkeras.rl.random_walks import RandomWalks
from rmkeras.rl.reinforce import Reinforce
from rmkeras.rl.rejection import RejectionSampling
from rmkeras.rl.rloo import RLOO
from rmkeras.rl.sampler import Sampler, Samples, SamplingOptions, decode_loop

__all__ = [
    "ALGORITHMS",
    "DPO",
    "GRPO",
    "PPO",
    "RLOO",
    "AdaptiveKL",
    "BestOfN",
    "FixedKL",
    "ILQLModel",
    "Look",
    "OnlineTrainer",
    "RandomWalks",
    "Reinforce",
    "RejectionSampling",
    "Sampler",
    "Samples",
    "SamplingOptions",
    "SoftQLearning",
    "align",
    "best_of_n_curve",
    "best_of_n_kl",
    "decode_loop",
    "frozen_copy",
    "generalized_advantages",
    "group_advantages",
    "leave_one_out_baseline",
    "rewards_to_go",
    "train_dpo",
    "train_ilql",
    "whiten",
]
