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
    labelled = [{**r, "label": i % 2 == 0} for i, r in enumerate(wanted)]
    for name, rows in (("labelled", labelled), ("texts", [{"text": t} for t in texts])):
        lines = "".join(json.dumps(r) + "\n" for r in rows)
        (folder / f"{name}.jsonl").write_text(lines, "utf8")
    (folder / "many.txt").write_text("a good\nnot a\n" * 20, "utf8")
    command = ["train-lm", "--data", str(folder / "texts.txt"), *SMALL]
    assert main([*command, "--epochs", "2", "--out", str(folder / "lm")]) == 0
    command = ["train-reward", "--data", str(folder / "rated.jsonl"), "--epochs", "1"]
    assert main([*command, "--out", str(folder / "rm")]) == 0
    from rmkeras.models import load_model

    broken = load_model(folder / "rm")
    broken.set_weights([w * np.nan for w in broken.get_weights()])
    (folder / "nan_rm").mkdir()
    broken.save(folder / "nan_rm" / "model.keras")
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


@pytest.mark.parametrize(
    "algorithm", ["rloo", "grpo", "dpo", "q-learning", "rejection-sampling"]
)
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
    ipo = [*command, "--set", "kind=ipo", "--out", str(tmp_path / "ipo")]
    # (h − 1 / 2β)² starts at 25, and cannot be a logistic loss.
    assert 1 < run(capsys, *ipo)["loss"] < 26


LONG = {
    "ppo": ["--reward", "length:3", "--steps", "40"],
    "dpo": ["--data", "pairs.jsonl", "--epochs", "20", "--batch-size", "4"],
    "ilql": ["--data", "rated.jsonl", "--steps", "40"],
    # A prompt a step, 40 of them.
    "best-of-n": ["--reward", "length:1", "--prompts", "many.txt", "--samples", "8"],
}


@pytest.mark.parametrize("algorithm", LONG)
def test_after_kill_9_it_goes_on_to_the_same_weights(
    folder, capsys, tmp_path, monkeypatch, algorithm
):
    from rmkeras.models import load_model

    monkeypatch.chdir(folder)
    command = ["align", "--algorithm", algorithm, "--policy", "lm", *FAST]
    command += [*LONG[algorithm], "--every", "15", "--save-every", "0"]
    whole = run(capsys, *command, "--out", str(tmp_path / "whole"))
    part = [*command, "--out", str(tmp_path / "part")]
    code = (
        "import sys, rmkeras.cli as c; "
        "import rmkeras.rl.sampler as s; i = s.DecodeFunctions.__init__; "
        "s.DecodeFunctions.__init__ = lambda self, compile=True: i(self, False); "
        "sys.exit(c.main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *part],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    model = tmp_path / "part" / "model.keras"
    seen, deadline = set(), time.monotonic() + 300
    while len(seen) < 3 and process.poll() is None and time.monotonic() < deadline:
        if model.exists():
            seen.add(model.stat().st_mtime_ns)
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(seen) >= 3
    found = run(capsys, *part, "--resume")
    for result in (whole, found):
        result.pop("out"), result.pop("seconds", None)
    assert found == whole
    ours, theirs = (load_model(tmp_path / name) for name in ("whole", "part"))
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    rows = [
        (tmp_path / name / "samples.jsonl").read_bytes() for name in ("whole", "part")
    ]
    assert rows[0] == rows[1]


def test_offline_q_learning(folder, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "taste.py").write_text(
        "def film(texts):\n    return [t.count('f') for t in texts]\n"
    )
    command = ["align", "--algorithm", "ilql", "--policy", "lm", *FAST, "--steps", "6"]
    command += ["--log-dir", str(tmp_path / "board")]
    for data, more in (
        ("rated.jsonl", ["--whiten-rewards", "--set", "sharpness=4", "expectile=0.9"]),
        ("labelled.jsonl", ["--judge", str(folder / "rm")]),
        ("wanted.jsonl", ["--reward", "taste:film"]),
        ("texts.jsonl", ["--reward", "taste.py:film", "--prompts", "prompts.txt"]),
    ):
        out = str(tmp_path / data)
        found = run(capsys, *command, "--data", data, *more, "--out", out)
        assert found["steps"] == 6 and np.isfinite(found["q"])
        assert {"reward", "kl"} <= set(found["after"])
        assert ("judge" in found["after"]) == ("--judge" in more)
        rows = (tmp_path / data / "samples.jsonl").read_text("utf8").splitlines()
        prompt = json.loads(rows[0])["prompt"]
        assert prompt == ("" if data == "rated.jsonl" else "a good")
    assert list((tmp_path / "board").iterdir())
    # What it wrote is a language model, in a fresh process too.
    command = [sys.executable, "-m", "rmkeras", "generate", out, "--n", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert len(json.loads(done.stdout)["texts"]) == 2, done.stderr


def test_the_budget_decides_how_many_samples_the_best_is_of(folder, capsys, tmp_path):
    command = align(folder, "best-of-n", "--prompts", str(folder / "prompts.txt"))
    command += ["--reward", "length:1", "--samples", "8", "--kl-budget", "0.65"]
    capsys.readouterr()
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "The best of 4: " in printed.out
    assert "1.20 nats away, more than --kl-budget 0.65" in " ".join(printed.err.split())


def test_a_reward_that_fails_later_keeps_the_checkpoint(folder, capsys, tmp_path):
    (tmp_path / "late.py").write_text(
        "calls = []\ndef late(texts):\n    calls.append(1)\n"
        "    return [float('nan') if len(calls) > 4 else 1.0] * len(texts)\n"
    )
    reward = ["--reward", f"{tmp_path / 'late.py'}:late", "--save-every", "0"]
    out = str(tmp_path / "out")
    command = align(folder, "reinforce", *reward, "--steps", "9", "--out", out)
    assert main(command) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    # Two steps, and a look before and after them.
    assert "late returned nan for " in error and "checkpoint of step 2 is kept" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--reward", "lenght"], "no reward 'lenght'"),
        (["--reward", "bleu"], "needs references"),
        (["--reward", "length", "--samples", "3", "--prompts", "P"], "groups of 3"),
        (["--reward", "length", "--set", "nonsense=1"], "nonsense"),
        (["--reward", "length", "--max-new-tokens", "500"], "positions"),
        (["--reward", "BROKEN:boom"], "the reward boom failed on "),
        (["--reward", "BROKEN:nan"], "returned nan for"),
        (["--reward", "BROKEN:short"], "no single one for "),
        (["--reward", "NANRM"], "returned nan for "),
        (["--reward", "nomodule:boom"], "MODULE:FUNCTION"),
        (["--reward", "json:nothing"], "json has no function nothing"),
        (["--reward", "length", "--epochs", "2"], "--epochs is for --data"),
        ([], "give --reward"),
        (["--human", "answers.jsonl"], "give --reward too"),
        (["--data", "P"], "--data is for --algorithm dpo"),
        (["--algorithm", "dpo", "--data", "D", "--set", "clip=1"], "knows kind and"),
        (["--algorithm", "dpo", "--data", "D", "--set", "kind=kto"], "dpo or ipo"),
        (
            ["--algorithm", "dpo", "--data", "D", "--reward", "length"],
            "--reward is for",
        ),
        (["--algorithm", "ilql", "--reward", "length"], "give --data with"),
        (["--algorithm", "ilql", "--data", "D"], "type preference; ilql expects"),
        (["--algorithm", "ilql", "--data", "W"], "without ratings"),
        (["--algorithm", "ilql", "--data", "R", "--reward", "length"], "leave out"),
        (["--algorithm", "ilql", "--data", "W", "--reward", "chrf"], "references"),
        (["--algorithm", "ilql", "--data", "R", "--epochs", "2"], "--epochs is for"),
        (["--algorithm", "ilql", "--data", "R", "--set", "clip=1"], "and sharpness"),
        (["--algorithm", "ilql", "--data", "R", "--set", "follow=x"], "a number"),
        (["--algorithm", "ilql", "--data", "R", "--set", "follow=2"], "follow is 2"),
        (["--algorithm", "ilql", "--data", "none.jsonl"], "no such file"),
    ],
)
def test_what_is_wrong_is_named(folder, capsys, tmp_path, more, message):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "def boom(texts):\n    raise KeyError('x')\n"
        "def nan(texts):\n    return [float('nan')] * len(texts)\n"
        "def short(texts):\n    return [1.0] * (len(texts) - 1)\n"
    )
    names = {"P": "prompts.txt", "D": "pairs.jsonl", "W": "wanted.jsonl"}
    names |= {"R": "rated.jsonl", "NANRM": "nan_rm"}
    names = {letter: str(folder / name) for letter, name in names.items()}
    more = [names.get(m, m).replace("BROKEN", str(broken)) for m in more]
    command = align(folder, "grpo", *more, "--out", str(tmp_path / "out"))
    assert main(command) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("rmkeras: ") and message in error
