"""A small version of benchmarks/annotate_load.py, with a server that is killed."""

from pathlib import Path

import pytest

for library in ("starlette", "uvicorn", "markdown_it", "nh3"):
    pytest.importorskip(library)
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_every_acknowledged_answer_is_there_once(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from annotate_load import run_load

    found = run_load(answers=300, raters=10, kills=2, folder=tmp_path)
    assert found["acknowledged"] >= 300
    assert found["stored"] >= found["acknowledged"]
    for name in ("lost", "changed", "doubled", "items_with_too_many"):
        assert found[name] == 0, found
    assert found["broken_requests"] > 0  # The kills were felt.
