"""The endurance suite, two rounds of it; `make bench-faults` runs twenty."""

import importlib.util
from pathlib import Path

FILE = Path(__file__).parents[2] / "benchmarks" / "faults.py"


def test_disturbed_runs_end_at_the_undisturbed_weights(monkeypatch):
    spec = importlib.util.spec_from_file_location("faults", FILE)
    faults = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(faults)
    monkeypatch.setattr(faults, "KINDS", ("kill-and-damage", "terminate"))
    found = faults.run_rounds(2, seed=1, say=lambda line: None)
    assert [r["right"] for r in found] == [True, True]
