"""The command align, as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from rmkeras.cli import main

SMALL = ["--dim", "16", "--layers", "1", "--heads", "2", "--vocabulary-size", "300"]
FAST = ["--batch-size", "8", "--max-new-tokens", "6", "--look", "4", "--every", "2"]


@pytest.fixture(autouse=True, scope="module")
def quick_sampler():
    """Without XLA: each new trainer would compile a sampler of its own."""
    from rmkeras.rl.sampler import DecodeFunctions

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DecodeFunctions.__init__, "__defaults__", (False,))
        original = DecodeFunctions.__init__
        patch.setattr(
            DecodeFunctions, "__init__", lambda self, compile=True: original(self)
        )
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("align")
    texts = ["a good film", "not a good film", "this is a film"] * 20
    (folder / "texts.txt").write_text("\n".join(texts), "utf8")
    (folder / "prompts.txt").write_text("a good\nnot a\nthis\n", "utf8")
    wanted = [{"prompt": p, "completion": "film"} for p in ("a good", "not a")]
    lines = "".join(json.dumps(r) + "\n" for r in wanted)
    (folder / "wanted.jsonl").write_text(lines, "utf8")
    pairs = [{**r, "chosen": "film", "rejected": "good"} for r in wanted]
    for pair in pairs:
        pair.pop("completion")
    lines = "".join(json.dumps(r) + "\n" for r in pairs * 4)
    (folder / "pairs.jsonl").write_text(lines, "utf8")
    rated = [{"text": t, "rating": float(len(t) % 3)} for t in texts]
    lines = "".join(json.dumps(r) + "\n" for r in rated)
    (folder / "rated.jsonl").write_text(lines, "utf8")
    command = ["train-lm", "--data", str(folder / "texts.txt"), *SMALL]
    assert main([*command, "--epochs", "2", "--out", str(folder / "lm")]) == 0
    command = ["train-reward", "--data", str(folder / "rated.jsonl"), "--epochs", "1"]
    assert main([*command, "--out", str(folder / "rm")]) == 0
    return folder


def run(capsys, *command):
    capsys.readouterr()
    assert main([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def align(folder, algorithm, *more):
    command = ["align", "--algorithm", algorithm, "--policy", str(folder / "lm")]
    return [*command, *FAST, "--steps", "2", *more]


def test_texts_begun_by_the_model_against_a_learned_reward(folder, capsys, tmp_path):
    command = align(folder, "reinforce", "--reward", str(folder / "rm"))
    command += ["--judge", str(folder / "rm"), "--log-dir", str(tmp_path / "board")]
    found = run(capsys, *command, "--out", str(tmp_path / "out"))
    assert found["steps"] == 2 and found["before"]["kl"] < 1e-3
    assert {"reward", "kl", "distinct2", "judge"} <= set(found["after"])
    rows = (tmp_path / "out" / "samples.jsonl").read_text("utf8").splitlines()
    assert len(rows) == 4 and "judge" in json.loads(rows[0])
    assert list((tmp_path / "board").iterdir())
    texts = run(capsys, "generate", str(tmp_path / "out"), "--n", "2")["texts"]
    assert len(texts) == 2


@pytest.mark.parametrize("algorithm", ["grpo", "dpo", "q-learning"])
def test_prompts_and_references(folder, capsys, tmp_path, algorithm):
    command = align(folder, algorithm, "--prompts", str(folder / "wanted.jsonl"))
    command += ["--reward", "chrf", "0.1*repetition", "--samples", "2"]
    found = run(capsys, *command, "--out", str(tmp_path / "out"))
    assert np.isfinite(found["after"]["reward"])


def test_best_of_n_writes_the_best(folder, capsys, tmp_path):
    command = align(folder, "best-of-n", "--prompts", str(folder / "prompts.txt"))
    command += ["--reward", "length:1", "--samples", "8"]
    found = run(capsys, *command, "--out", str(tmp_path / "out"))
    curve = list(found["curve"].values())
    assert curve == sorted(curve) and curve[-1] == pytest.approx(found["reward"])
    assert found["kl"] == pytest.approx(np.log(8) - 7 / 8)
    assert len((tmp_path / "out" / "samples.jsonl").read_text().splitlines()) == 3


def test_dpo_on_recorded_comparisons(folder, capsys, tmp_path):
    command = ["align", "--algorithm", "dpo", "--policy", str(folder / "lm")]
    pairs = str(folder / "pairs.jsonl")
    command += ["--data", pairs, "--valid", pairs, "--epochs", "4"]
    command += ["--learning-rate", "1e-2"]
    found = run(capsys, *command, "--out", str(tmp_path / "out"))
    assert found["n"] == 8 and found["val_accuracy"] == 1.0
    assert found["val_loss"] < np.log(2)


def test_after_kill_9_it_goes_on_to_the_same_weights(folder, capsys, tmp_path):
    from rmkeras.models import load_model

    command = align(folder, "ppo", "--reward", "length:3", "--steps", "40")
    run(capsys, *command, "--out", str(tmp_path / "whole"))
    part = [*command, "--out", str(tmp_path / "part")]
    code = (
        "import sys, rmkeras.rl.alignment as a, rmkeras.cli as c; "
        "import rmkeras.rl.sampler as s; i = s.DecodeFunctions.__init__; "
        "s.DecodeFunctions.__init__ = lambda self, compile=True: i(self, False); "
        "o = a.align; "
        "a.align = lambda *x, **k: o(*x, **{**k, 'save_every': 0.0}); "
        "sys.exit(c.main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *part],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    model = tmp_path / "part" / "model.keras"
    seen, deadline = set(), time.monotonic() + 120
    while len(seen) < 3 and process.poll() is None and time.monotonic() < deadline:
        if model.exists():
            seen.add(model.stat().st_mtime_ns)
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(seen) >= 3
    found = run(capsys, *part, "--resume")
    assert found["steps"] == 40
    whole, again = (load_model(tmp_path / name) for name in ("whole", "part"))
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--reward", "lenght"], "no reward 'lenght'"),
        (["--reward", "bleu"], "needs references"),
        (["--reward", "length", "--samples", "3", "--prompts", "P"], "groups of 3"),
        (["--reward", "length", "--set", "nonsense=1"], "nonsense"),
        (["--reward", "length", "--max-new-tokens", "500"], "positions"),
        (["--reward", "BROKEN:boom"], "failed on a batch"),
        (["--reward", "BROKEN:nan"], "returned nan for"),
        ([], "give --reward"),
        (["--data", "P"], "--data is for --algorithm dpo"),
    ],
)
def test_what_is_wrong_is_named(folder, capsys, tmp_path, more, message):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "def boom(texts):\n    raise KeyError('x')\n"
        "def nan(texts):\n    return [float('nan')] * len(texts)\n"
    )
    names = {"P": str(folder / "prompts.txt")}
    more = [names.get(m, m).replace("BROKEN", str(broken)) for m in more]
    command = align(folder, "grpo", *more, "--out", str(tmp_path / "out"))
    assert main(command) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("rmkeras: ") and message in error
