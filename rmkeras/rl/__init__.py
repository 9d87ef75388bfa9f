"""Reinforcement learning from rewards: sample, score, update."""

from rmkeras.rl.reinforce import Reinforce, frozen_copy, leave_one_out_baseline
from rmkeras.rl.sampler import Sampler, Samples, SamplingOptions, decode_loop

__all__ = [
    "Reinforce",
    "Sampler",
    "Samples",
    "SamplingOptions",
    "decode_loop",
    "frozen_copy",
    "leave_one_out_baseline",
]
