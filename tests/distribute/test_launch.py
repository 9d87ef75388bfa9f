import os
import signal
import subprocess
import sys
import time

import pytest

from rmkeras.cli import main
from rmkeras.distribute.launch import launch, worker_environments
from rmkeras.errors import RmkerasError

TELL = "import os, json; c = json.loads(os.environ['TF_CONFIG']); print(c['task']['index'])"


def run(code, **options):
    lines, said = [], []
    status = launch(
        ["python", "-c", code],
        write=lambda i, line: lines.append((i, line)),
        say=said.append,
        **options,
    )
    return status, sorted(lines), said


def test_each_worker_knows_its_number_and_its_output_is_told_apart(capfd):
    assert run(TELL, workers=3) == (0, [(0, "0"), (1, "1"), (2, "2")], [])
    assert main(["launch", "--workers", "2", "--", "python", "-c", TELL]) == 0
    assert sorted(capfd.readouterr().out.split("\n")) == ["", "[0] 0", "[1] 1"]


def test_one_worker_needs_no_cluster():
    assert "TF_CONFIG" not in worker_environments(1, {"TF_CONFIG": "x"})[0]


def test_when_one_dies_all_end_and_its_status_is_the_launchers():
    code = "import os, sys, time; sys.exit(3) if '\"index\": 1' in "
    code += "os.environ['TF_CONFIG'] else time.sleep(60)"
    started = time.monotonic()
    status, _, said = run(code, grace=0.5)
    assert status == 3 and time.monotonic() - started < 30
    assert "1 with 3" in said[0]


def test_lost_workers_are_started_again_with_resume(tmp_path):
    code = "import sys, pathlib; p = pathlib.Path(sys.argv[1]); "
    code += "sys.exit(0 if '--resume' in sys.argv else 75)"
    said = []
    status = launch(
        ["python", "-c", code, str(tmp_path)],
        restarts=1,
        say=said.append,
        write=lambda *line: None,
    )
    assert status == 0 and "again with --resume" in said[1]
    # What a worker did wrong by itself is not tried again.
    assert run("import sys; sys.exit(2)", restarts=5)[0] == 2


def test_sigterm_reaches_all_workers():
    code = "import signal, sys, time; "
    code += "signal.signal(signal.SIGTERM, lambda *a: sys.exit(0)); "
    code += "print('ready', flush=True); time.sleep(60)"
    words = [sys.executable, "-m", "rmkeras", "launch", "--", "python", "-c", code]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert [process.stdout.readline()[3:].strip() for _ in range(2)] == ["ready"] * 2
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=120) == 0


def test_bad_commands_are_messages(capsys):
    with pytest.raises(RmkerasError, match="no command"):
        launch([])
    assert main(["launch", "--", "/nonexistent/program"]) == 2
    assert "cannot be started" in capsys.readouterr().err
