"""One device, several, and several workers end at the same weights."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rmkeras.distribute.launch import Workers

SCRIPT = str(Path(__file__).with_name("exact.py"))


def run(name, folder):
    out = folder / f"{name}.npz"
    if name != "multi-worker":
        command = [sys.executable, SCRIPT, name, str(out)]
        subprocess.run(command, check=True, capture_output=True, timeout=900)
        return dict(np.load(out))
    for _ in range(3):  # A machine that stands still for 10 s loses its workers.
        lines = []
        command = ["python", SCRIPT, name, str(out)]
        workers = Workers(command, 2, lambda i, line, to=lines: to.append(line))
        if workers.wait() == [0, 0]:
            return dict(np.load(out))
    raise AssertionError("\n".join(lines[-30:]))


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return run("one", tmp_path_factory.mktemp("one"))


@pytest.mark.parametrize("name", ["mirrored:2", "mirrored:4", "multi-worker"])
def test_the_same_weights_as_one_device(one, name, tmp_path):
    other = run(name, tmp_path)
    assert set(other) >= {k for k in one if k.startswith(("model", "optimizer"))}
    moved = one["losses"]
    assert moved[-1] < 0.3 * moved[0]  # It has learned something.
    assert one["traces"].tolist() == other["traces"].tolist() == [1, 1]
    for key, value in other.items():
        if key.endswith("_gradient"):
            away = np.linalg.norm(value - one[key]) / np.linalg.norm(one[key])
            assert away < 1e-5, f"{key}: {away}"
            continue
        limit = 1e-4 if key.endswith("_logs") else 1e-6
        np.testing.assert_allclose(value, one[key], rtol=0, atol=limit, err_msg=key)
