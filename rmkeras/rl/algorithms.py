"""The methods by name, with settings that work on small models."""

from __future__ import annotations

from rmkeras.rl.deep_q import SoftQLearning
from rmkeras.rl.dpo import DPO
from rmkeras.rl.grpo import GRPO
from rmkeras.rl.ppo import PPO
from rmkeras.rl.reinforce import Reinforce
from rmkeras.rl.rejection import RejectionSampling
from rmkeras.rl.rloo import RLOO

ALGORITHMS = {
    "reinforce": (Reinforce, {"learning_rate": 1e-3, "kl_coefficient": 0.1}),
    "rloo": (RLOO, {"learning_rate": 1e-3, "kl_coefficient": 0.1}),
    "grpo": (GRPO, {"learning_rate": 1e-3, "kl_coefficient": 0.1}),
    "ppo": (PPO, {"learning_rate": 3e-4, "kl_coefficient": 0.1, "minibatches": 2}),
    "q-learning": (SoftQLearning, {"learning_rate": 1e-3, "kl_coefficient": 0.1}),
    "dpo": (DPO, {"learning_rate": 5e-4, "kl_coefficient": 0.1}),
    "rejection-sampling": (RejectionSampling, {"learning_rate": 1e-3}),
}
"""Class and settings of each online method; best-of-n trains nothing."""
