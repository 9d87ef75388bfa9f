"""--precision mixed_bfloat16: a few steps on the processor, and what is saved."""

import json
import zipfile

import keras
import numpy as np
import pytest

from rmkeras.cli import main
from rmkeras.models import load_model

SMALL = ["--vocabulary-size", "300", "--batch-size", "8", "--epochs", "2"]
HALF = ["--precision", "mixed_bfloat16"]


@pytest.fixture(autouse=True)
def policy_as_before():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("precision")
    words = ["good", "bad", "film", "not", "so"]
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(words, rng.integers(2, 9))) for _ in range(64)]
    (folder / "texts.txt").write_text("\n".join(texts), "utf8")

    def write(name, rows):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / name).write_text(lines, "utf8")

    rate = {"good": 1, "bad": -1}
    means = [sum(rate.get(w, 0) for w in t.split()) for t in texts]
    rated = list(zip(texts, means, strict=True))
    write("ratings.jsonl", [{"text": t, "rating": m} for t, m in rated])
    write(
        "aspects.jsonl",
        [{"text": t, "rating": m, "aspect": a} for t, m in rated for a in ("x", "y")],
    )
    write(
        "pairs.jsonl",
        [{"prompt": t, "chosen": " good", "rejected": " bad"} for t in texts],
    )
    write("sft.jsonl", [{"prompt": t, "completion": "yes"} for t in texts])
    return folder


def trained(command, out, capsys):
    assert main([*command, *HALF, "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert np.isfinite(found["loss"])
    # What is saved is float32, to the last variable: half precision is for computing.
    with zipfile.ZipFile(out / "model.keras") as archive:
        archive.extract("model.weights.h5", out)
    import h5py

    kinds = set()

    def note(_, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fV":
            kinds.add(str(item.dtype))

    with h5py.File(out / "model.weights.h5") as file:
        file.visititems(note)
    assert kinds == {"float32"}
    model = load_model(out)
    assert {v.dtype for v in model.weights if v.dtype.startswith(("f", "b"))} == {
        "float32"
    }
    return model, found


@pytest.mark.parametrize(
    ("options", "data"),
    [
        (["--model", "lstm"], "ratings.jsonl"),
        (["--model", "transformer"], "ratings.jsonl"),
        (["--model", "transformer", "--loss", "bce"], "ratings.jsonl"),
        (["--model", "lstm", "--balance", "learned"], "aspects.jsonl"),
        (["--model", "transformer"], "pairs.jsonl"),
    ],
)
def test_reward_models_train_in_half_precision(folder, capsys, tmp_path, options, data):
    command = ["train-reward", "--data", str(folder / data), *options, *SMALL]
    model, _ = trained(command, tmp_path / "run", capsys)
    assert model.compute_dtype == "bfloat16"
    scores = model.score(["good good", "bad bad", "film"])
    assert scores.dtype == np.float32 and np.isfinite(scores).all()


@pytest.mark.parametrize(
    "options",
    [
        ["--model", "transformer"],
        ["--model", "transformer", "--positions", "rotary", "--norm", "rms"],
        ["--model", "gru"],
        ["--model", "lstm"],
        ["--objective", "masked"],
    ],
)
def test_language_models_train_in_half_precision(folder, capsys, tmp_path, options):
    data = str(folder / "texts.txt")
    shape = ["--dim", "16", "--layers", "1", "--heads", "2", "--units", "12"]
    command = ["train-lm", "--data", data, "--valid", data, *shape, *SMALL, *options]
    model, found = trained(command, tmp_path / "run", capsys)
    assert np.isfinite(found["val_loss"])
    if "masked" in options:
        return
    assert main(["generate", str(tmp_path / "run"), "--n", "2", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["texts"]) == 2
    if "transformer" not in options:
        return
    pairs = str(folder / "sft.jsonl")
    command = [
        "sft",
        "--data",
        pairs,
        "--model",
        str(tmp_path / "run"),
        "--epochs",
        "1",
    ]
    trained(command, tmp_path / "sft", capsys)
    assert model.compute_dtype == "bfloat16"
