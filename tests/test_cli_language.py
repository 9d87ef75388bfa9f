"""The commands train-lm, sft and generate, as a user types them."""

import json
import os
import signal

import numpy as np
import pytest

from rmkeras.cli import main

SMALL = ["--dim", "16", "--layers", "1", "--heads", "2", "--vocabulary-size", "300"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("language")
    texts = ["a good film", "not a good film", "this is a film"] * 20
    (folder / "texts.txt").write_text("\n".join(texts), "utf8")
    pairs = [{"prompt": f"say {w}", "completion": w} for w in ("a", "good", "film")]
    lines = "".join(json.dumps(p) + "\n" for p in pairs * 4)
    (folder / "pairs.jsonl").write_text(lines, "utf8")
    command = ["train-lm", "--data", str(folder / "texts.txt"), *SMALL]
    assert main([*command, "--epochs", "3", "--out", str(folder / "lm")]) == 0
    return folder


def run(capsys, *command):
    assert main([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("model", ["transformer", "gru"])
def test_train_lm_reports_a_perplexity(folder, capsys, tmp_path, model):
    data = str(folder / "texts.txt")
    command = ["train-lm", "--data", data, "--valid", data, *SMALL, "--epochs", "2"]
    found = run(capsys, *command, "--model", model, "--out", str(tmp_path / "out"))
    assert found["n"] == 60 and 1 < found["perplexity"] < 300
    assert found["val_loss"] > 0
    texts = run(capsys, "generate", str(tmp_path / "out"), "--n", "2")["texts"]
    assert len(texts) == 2


@pytest.mark.parametrize("command", ["train-lm", "sft"])
def test_a_run_that_stopped_goes_on_to_the_same_weights(
    folder, capsys, tmp_path, monkeypatch, command
):
    from rmkeras.models import load_model, training

    name = "texts.txt" if command == "train-lm" else "pairs.jsonl"
    command = [command, "--data", str(folder / name), "--batch-size", "1"]
    more = SMALL if command[0] == "train-lm" else ["--model", str(folder / "lm")]
    command += [*more, "--epochs", "2"]
    run(capsys, *command, "--out", str(tmp_path / "whole"))
    original, seen = training._Stopper.on_train_batch_end, []

    def stop(self, batch, logs=None):
        seen.append(batch)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, batch, logs)

    with monkeypatch.context() as patch:
        patch.setattr(training._Stopper, "on_train_batch_end", stop)
        assert main([*command, "--out", str(tmp_path / "part")]) == 130
    assert 3 <= len(seen) < 6
    capsys.readouterr()
    run(capsys, *command, "--out", str(tmp_path / "part"), "--resume")
    whole, part = (load_model(tmp_path / name) for name in ("whole", "part"))
    assert whole.separator == part.separator
    for a, b in zip(whole.get_weights(), part.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sft_then_generate(folder, capsys, tmp_path):
    pairs = str(folder / "pairs.jsonl")
    command = ["sft", "--data", pairs, "--valid", pairs, "--model", str(folder / "lm")]
    found = run(capsys, *command, "--out", str(tmp_path / "sft"), "--epochs", "2")
    assert {"loss", "val_loss", "exact_match", "chrf"} <= set(found)
    command = ["generate", str(tmp_path / "sft"), "--prompt", "say a", "--n", "3"]
    options = ["--top-p", "0.9", "--repetition-penalty", "1.2", "--seed", "3"]
    first = run(capsys, *command, *options)
    assert first == run(capsys, *command, *options) and len(first["texts"]) == 3


def test_in_a_terminal_text_streams(folder, capsys, monkeypatch):
    import sys

    command = ["generate", str(folder / "lm"), "--n", "3", "--seed", "1"]
    assert main(command) == 0
    whole = capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(command) == 0
    assert capsys.readouterr().out == whole


def test_a_guard_marks_what_it_scores_below_the_threshold(
    folder, capsys, tmp_path, monkeypatch
):
    import sys

    from rmkeras.models import load_model

    rated = [{"text": t, "rating": r} for t, r in (("good", 1.0), ("a film", -1.0))]
    lines = "".join(json.dumps(r) + "\n" for r in rated * 8)
    (tmp_path / "rated.jsonl").write_text(lines, "utf8")
    command = ["train-reward", "--data", str(tmp_path / "rated.jsonl"), "--epochs"]
    assert main([*command, "1", "--out", str(tmp_path / "rm")]) == 0
    capsys.readouterr()
    command = ["generate", str(folder / "lm"), "--n", "4", "--seed", "1"]
    command += ["--guard", str(tmp_path / "rm")]
    found = run(capsys, *command)
    scores = load_model(tmp_path / "rm").score(found["texts"])
    np.testing.assert_allclose(found["scores"], scores, atol=1e-3)
    assert found["threshold"] == 0.0
    assert found["flagged"] == [bool(s < 0) for s in scores]
    middle = float(np.sort(scores)[1:3].mean())
    command += ["--threshold", f"{middle:.9f}"]
    marked = run(capsys, *command)["flagged"]
    assert sum(marked) == 2
    assert main(command) == 0
    out, err = capsys.readouterr()
    lines = [f"{t}  " if m else t for t, m in zip(found["texts"], marked, strict=True)]
    for line, text, mark in zip(out.splitlines(), lines, marked, strict=True):
        assert line.startswith(text) and mark == ("warning: the guard" in line)
    assert "2 of 4 samples are marked" in err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert main(command) == 0
    assert capsys.readouterr().out == out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["train-lm", "--data", "nothing.txt", "--out", "x"], "nothing.txt"),
        (
            ["sft", "--data", "TEXTS", "--model", "LM", "--out", "x"],
            "prompt-completion",
        ),
        (["sft", "--data", "PAIRS", "--model", "nowhere", "--out", "x"], "nowhere"),
        (["generate", "LM", "--top-p", "0"], "top_p"),
        (["generate", "LM", "--threshold", "0.5"], "--threshold is for --guard"),
        (["generate", "LM", "--guard", "nowhere"], "nowhere"),
    ],
)
def test_what_is_wrong_is_named(folder, capsys, tmp_path, command, message):
    names = {
        "TEXTS": folder / "rows.jsonl",
        "PAIRS": folder / "pairs.jsonl",
        "LM": folder / "lm",
        "x": tmp_path / "x",
    }
    names["TEXTS"].write_text('{"text": "a"}\n', "utf8")
    assert main([str(names.get(part, part)) for part in command]) == 2
    assert message in capsys.readouterr().err
