"""What training on many devices costs: compute, all-reduce, checkpoints, failures."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """Devices and what lies between them.

    Attributes:
        flops: Floating-point operations a second of one device, as reached in a
            training step (peak times the share that is used).
        bandwidth: Bytes a second that one device can send.
        latency: Seconds a message.
        disk: Bytes a second that a checkpoint is written with.
        mtbf: Hours between two failures of one device.
    """

    flops: float
    bandwidth: float
    latency: float = 1e-5
    disk: float = 1e9
    mtbf: float = 50_000.0


@dataclass(frozen=True)
class Job:
    """A model and how it is trained.

    Attributes:
        parameters: Weights.
        tokens: Tokens an update, all devices together.
        gradient_bytes: Bytes of one weight's gradient on the wire.
        state_bytes: Bytes of one weight in a checkpoint: itself and Adam's moments.
        reductions: How often a gradient is all-reduced an update: 2 with clipping
            (`TrainingLoop` needs the sum for its norm, and Keras' optimizer adds up
            once more), 1 without.
    """

    parameters: float
    tokens: float
    gradient_bytes: float = 4.0
    state_bytes: float = 12.0
    reductions: int = 2


def step_flops(job):
    """Operations an update: 6 N T, two for each weight forward, four backward.

    Source: Kaplan et al. (2020), "Scaling Laws for Neural Language Models", section
    2.1; attention's own part is left out.
    """
    return 6.0 * job.parameters * job.tokens


def all_reduce_bytes(job, devices):
    """Bytes that each device sends an update: 2 (R − 1) / R times the gradient.

    Source: Patarasuk and Yuan (2009), "Bandwidth Optimal All-reduce Algorithms for
    Clusters of Workstations", section 3.
    """
    size = job.parameters * job.gradient_bytes * job.reductions
    return 2.0 * (devices - 1) / devices * size


def step_seconds(job, machine, devices):
    """Seconds an update: compute and all-reduce, one after the other.

    t = 6 N T / (R F) + bytes / bandwidth + 2 (R − 1) latency for each all-reduce
    """
    compute = step_flops(job) / (devices * machine.flops)
    if devices == 1:
        return compute
    wire = all_reduce_bytes(job, devices) / machine.bandwidth
    return compute + wire + job.reductions * 2 * (devices - 1) * machine.latency


def checkpoint_seconds(job, machine):
    """Seconds that a checkpoint takes; training waits for it."""
    return job.parameters * job.state_bytes / machine.disk


def mean_time_between_failures(machine, devices):
    """Seconds between two failures of any device: one failure stops all."""
    return machine.mtbf * 3600.0 / devices


def checkpoint_interval(job, machine, devices):
    """Seconds between checkpoints that lose least: √(2 C M) − C, at least C.

    C is what a checkpoint takes and M the mean time between failures.

    Example:

    >>> from rmkeras.distribute.cost import Job, Machine, checkpoint_interval
    >>> job, machine = Job(1e9, 1e6), Machine(1e14, 1e10, disk=1e9, mtbf=10_000)
    >>> round(checkpoint_interval(job, machine, 100))  # C = 12 s, M = 100 h
    2927

    Source: Young (1974), "A First Order Approximation to the Optimum Checkpoint
    Interval"; Daly (2006), equation 20's first terms.
    """
    cost = checkpoint_seconds(job, machine)
    mean = mean_time_between_failures(machine, devices)
    return max(cost, math.sqrt(2 * cost * mean) - cost)


def useful_share(job, machine, devices, restart=300.0):
    """Share of the time that is training: not saving, repeating or starting again.

    1 − C / (τ + C) − ((τ + C) / 2 + restart) / M, not below 0

    Args:
        job, machine, devices: What is trained on what.
        restart: Seconds from a failure to the first update after it.
    """
    cost = checkpoint_seconds(job, machine)
    mean = mean_time_between_failures(machine, devices)
    period = checkpoint_interval(job, machine, devices) + cost
    return max(0.0, 1.0 - cost / period - (period / 2 + restart) / mean)


def memory_bytes(job, extra=4.0):
    """Bytes on each device: weights, gradients (a copy more where they are summed
    before clipping), and Adam's moments; activations are left out.

    Args:
        job: What is trained.
        extra: Bytes a weight of that copy.
    """
    return job.parameters * (job.state_bytes + job.gradient_bytes + extra)


def plan(job, machine, devices, restart=300.0):
    """All of it: a dict of numbers in seconds, bytes and tokens a second."""
    seconds = step_seconds(job, machine, devices)
    alone = step_flops(job) / machine.flops
    share = useful_share(job, machine, devices, restart)
    return {
        "devices": devices,
        "step_flops": step_flops(job),
        "compute_s": step_flops(job) / (devices * machine.flops),
        "all_reduce_bytes": all_reduce_bytes(job, devices),
        "step_s": seconds,
        "efficiency": alone / devices / seconds,
        "tokens_per_s": job.tokens / seconds,
        "checkpoint_s": checkpoint_seconds(job, machine),
        "mtbf_s": mean_time_between_failures(machine, devices),
        "interval_s": checkpoint_interval(job, machine, devices),
        "useful_share": share,
        "useful_tokens_per_s": job.tokens / seconds * share,
        "memory_bytes": memory_bytes(job),
    }
