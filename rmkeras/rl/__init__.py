"""Reinforcement learning from rewards: sample, score, update."""

from rmkeras.rl.advantages import (
    generalized_advantages,
    group_advantages,
    leave_one_out_baseline,
    rewards_to_go,
    whiten,
)
from rmkeras.rl.algorithms import ALGORITHMS
from rmkeras.rl.alignment import align
from rmkeras.rl.best_of_n import BestOfN, BestOfNRun, best_of_n_curve, best_of_n_kl
from rmkeras.rl.completions import frozen_copy
from rmkeras.rl.decoding import Samples, SamplingOptions, decode_loop
from rmkeras.rl.deep_q import SoftQLearning
from rmkeras.rl.dpo import DPO
from rmkeras.rl.grpo import GRPO
from rmkeras.rl.ilql import ILQL, ILQLModel, train_ilql
from rmkeras.rl.kl_control import AdaptiveKL, FixedKL
from rmkeras.rl.look import Look
from rmkeras.rl.offline import OfflineTrainer
from rmkeras.rl.offline_dpo import OfflineDPO, train_dpo
from rmkeras.rl.online import OnlineTrainer
from rmkeras.rl.ppo import PPO
from rmkeras.rl.random_walks import RandomWalks
from rmkeras.rl.reinforce import Reinforce
from rmkeras.rl.rejection import RejectionSampling
from rmkeras.rl.rloo import RLOO
from rmkeras.rl.sampler import Sampler
from rmkeras.rl.shared import MirroredTrainer, shared_trainer

__all__ = [
    "ALGORITHMS",
    "DPO",
    "GRPO",
    "ILQL",
    "PPO",
    "RLOO",
    "AdaptiveKL",
    "BestOfN",
    "BestOfNRun",
    "FixedKL",
    "ILQLModel",
    "Look",
    "MirroredTrainer",
    "OfflineDPO",
    "OfflineTrainer",
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
    "shared_trainer",
    "train_dpo",
    "train_ilql",
    "whiten",
]
