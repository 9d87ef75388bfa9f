import numpy as np
import pytest

from rmkeras.distribute.cost import (
    Job,
    Machine,
    all_reduce_bytes,
    checkpoint_interval,
    checkpoint_seconds,
    mean_time_between_failures,
    plan,
    step_flops,
    useful_share,
)

JOB = Job(parameters=1e9, tokens=1e6)
MACHINE = Machine(flops=1e14, bandwidth=1e10, disk=1e9, mtbf=10_000)


def test_a_ring_sends_what_it_sends_when_played_through():
    # R devices, R pieces: R − 1 rounds to add up, R − 1 to tell; one piece a round.
    for devices in (2, 3, 8):
        size = JOB.parameters * JOB.gradient_bytes * JOB.reductions
        sent = sum(size / devices for _ in range(2) for _ in range(devices - 1))
        assert all_reduce_bytes(JOB, devices) == pytest.approx(sent)


def test_one_device_sends_nothing_and_is_wholly_used():
    found = plan(JOB, MACHINE, 1)
    assert found["all_reduce_bytes"] == 0 and found["efficiency"] == 1
    assert found["step_s"] == step_flops(JOB) / MACHINE.flops == 60.0


def test_no_other_interval_loses_less_in_a_simulation():
    machine = Machine(1e14, 1e10, disk=1e8, mtbf=1000)  # C = 120 s
    devices, restart = 100, 60.0
    cost = checkpoint_seconds(JOB, machine)
    best = checkpoint_interval(JOB, machine, devices)
    mean = mean_time_between_failures(machine, devices)
    rng = np.random.default_rng(0)
    gaps = rng.exponential(mean, 40_000)

    def share(interval):
        done = np.floor(gaps / (interval + cost)) * interval
        return done.sum() / (gaps + restart).sum()

    assert share(best) > max(share(best / 3), share(best * 3))
    assert share(best) == pytest.approx(
        useful_share(JOB, machine, devices, restart), abs=0.02
    )
