"""Training and alignment by command, on one and on several devices or workers."""

import json

import numpy as np
import pytest

from rmkeras.cli import main
from rmkeras.distribute import read_checkpoint
from rmkeras.distribute.launch import launch
from rmkeras.models import load_model

WORDS = {"good": 2.0, "great": 3.0, "bad": -2.0, "awful": -3.0, "film": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strategy")
    rng = np.random.default_rng(0)
    with (folder / "rated.jsonl").open("w") as file:
        for _ in range(90):
            words = rng.choice(list(WORDS), size=rng.integers(1, 6))
            rating = float(np.mean([WORDS[w] for w in words]))
            file.write(json.dumps({"text": " ".join(words), "rating": rating}) + "\n")
    return folder


def command(folder, out, *more):
    return [
        *["train-reward", "--data", str(folder / "rated.jsonl"), "--epochs", "2"],
        *["--batch-size", "13", "--vocabulary-size", "300", "--out", str(folder / out)],
        *["--valid", str(folder / "rated.jsonl"), *more],
    ]


def weights(folder, out):
    return load_model(folder / out).get_weights()


def close(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-5)


def test_the_loop_ends_where_fit_ends_and_can_be_gone_on_with(folder, capsys):
    assert main(command(folder, "fit")) == 0
    assert main(command(folder, "loop", "--strategy", "one")) == 0
    # Keras' fit shuffles its first pass once more; batch by batch they are equal.
    losses = [
        json.loads((folder / out / "training.json").read_text())["history"]["val_loss"]
        for out in ("fit", "loop")
    ]
    np.testing.assert_allclose(*losses, rtol=0.1)
    assert main(command(folder, "loop", "--strategy", "one")) == 2
    assert "already holds a model" in capsys.readouterr().err
    assert main(command(folder, "begun", "--strategy", "mirrored")) == 2
    assert "two or more devices" in capsys.readouterr().err
    longer = command(folder, "loop", "--resume")
    longer[longer.index("--epochs") + 1] = "3"
    assert main(longer) == 0
    numbers, _ = read_checkpoint(max((folder / "loop" / "checkpoints").glob("*.ckpt")))
    assert numbers["epoch"] == 3 and len(numbers["history"]["val_loss"]) == 3


def test_two_workers_train_and_align_as_one_device(folder):
    lines = []

    def run(*words):
        lines.clear()
        status = launch(
            ["rmkeras", *words],
            restarts=3,
            say=lines.append,
            write=lambda i, line: lines.append(f"[{i}] {line}"),
        )
        assert status == 0, "\n".join(lines[-30:])
        return [line for line in lines if "rained on" in line or "steps in" in line]

    assert main(command(folder, "alone")) == 0
    told = run(*command(folder, "workers"))
    assert len(told) == 1 and told[0].startswith("[0]")  # The chief speaks for all.
    one, two = weights(folder, "alone"), weights(folder, "workers")
    for x, y in zip(one, two, strict=True):
        # Dropout draws other numbers on each replica.
        assert x.shape == y.shape and np.isfinite(y).all()
    language = ["train-lm", "--data", str(folder / "rated.jsonl"), "--dim", "16"]
    language += ["--layers", "1", "--heads", "2", "--vocabulary-size", "300"]
    assert main([*language, "--epochs", "1", "--out", str(folder / "lm")]) == 0
    align = ["align", "--algorithm", "rloo", "--policy", str(folder / "lm"), "--steps"]
    align += ["2", "--reward", "length:3", "--batch-size", "8", "--samples", "2"]
    align += ["--max-new-tokens", "6", "--look", "4", "--prompts"]
    (folder / "prompts.txt").write_text("good\nbad film\n", "utf8")
    align += [str(folder / "prompts.txt"), "--learning-rate", "1e-4"]
    assert main([*align, "--out", str(folder / "one")]) == 0
    assert len(run(*align, "--out", str(folder / "two"))) == 1
    close(weights(folder, "one"), weights(folder, "two"))


@pytest.mark.parametrize(
    "words", [["train-reward", "--model", "lstm"], ["train-lm"]], ids=lambda w: w[0]
)
def test_the_strategy_is_made_before_tensorflow_reads_the_ratings(
    words, folder, monkeypatch
):
    """Two workers' strategy cannot be made after TensorFlow has run anything."""
    import rmkeras.data
    from rmkeras import _cli_language, _cli_train

    class Enough(BaseException):
        pass

    order = []

    def read(part):
        order.append("read")
        raise Enough

    def begin(arguments):
        order.append("begin")
        return None, None, True

    monkeypatch.setattr(rmkeras.data, "load_human_ratings", read)
    for module in (_cli_train, _cli_language):
        monkeypatch.setattr(module, "begin", begin)
    with pytest.raises(Enough):
        main([*words, "--data", "human-ratings", "--out", str(folder / "order")])
    assert order == ["begin", "read"]
