"""Ratings of several aspects, from the file to the scores."""

import csv
import io
import json

import numpy as np
import pytest

from rmkeras.cli import main

WORDS = {
    "good": (2.0, 0.0),
    "bad": (-2.0, 0.0),
    "loud": (0.0, 2.0),
    "calm": (0.0, -2.0),
}
SMALL = ["--vocabulary-size", "300", "--batch-size", "8"]


def lines_of(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf8")
    return str(path)


def rows(count, aspects=("quality", "volume")):
    rng = np.random.default_rng(0)
    for _ in range(count):
        words = rng.choice(list(WORDS), rng.integers(1, 4))
        means = np.mean([WORDS[w] for w in words], axis=0)
        for name, mean in zip(aspects, means, strict=True):
            yield {"text": " ".join(words), "rating": mean, "aspect": name}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aspects")
    data = lines_of(folder / "train.jsonl", rows(80))
    command = ["train-reward", "--data", data, "--out", str(folder / "model"), *SMALL]
    options = ["--epochs", "12", "--learning-rate", "0.02"]
    options += ["--aspect-weights", "quality=3"]
    assert main([*command, *options]) == 0
    return folder


def test_two_aspects_in_a_file_train_two_heads(folder, capsys, tmp_path):
    from rmkeras.models import load_model

    model = load_model(folder / "model")
    assert model.aspects == ("quality", "volume")
    assert model.weights_of_aspects == (0.75, 0.25)
    texts = lines_of(
        tmp_path / "t.jsonl", [{"text": "good"}, {"text": "loud", "id": 1}]
    )
    assert main(["score", str(folder / "model"), texts]) == 0
    good, loud = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["rewards"]["quality"] > 0.7 > abs(good["rewards"]["volume"])
    assert loud["rewards"]["volume"] > 0.7 > abs(loud["rewards"]["quality"])
    for row in (good, loud):
        each = row["rewards"]
        expected = 0.75 * each["quality"] + 0.25 * each["volume"]
        assert row["reward"] == pytest.approx(expected, abs=1e-4)
    assert main(["score", str(folder / "model"), texts, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rewards"][1] == pytest.approx(loud["rewards"], abs=1e-5)
    assert found["n"] == 2 and found["reward"][0] == pytest.approx(
        good["reward"], abs=1e-5
    )


def test_csv_and_comparisons_hold_them_too(folder, capsys, tmp_path):
    (tmp_path / "t.csv").write_text("text\ngood\n", "utf8")
    assert main(["score", str(folder / "model"), str(tmp_path / "t.csv")]) == 0
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert set(json.loads(row["rewards"])) == {"quality", "volume"}
    pair = {"prompt": "", "chosen": "good", "rejected": "bad"}
    pairs = lines_of(tmp_path / "p.jsonl", [pair])
    assert main(["score", str(folder / "model"), pairs]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["reward_chosen"] > row["reward_rejected"]
    assert row["rewards_chosen"]["quality"] > row["rewards_rejected"]["quality"]


def test_evaluate_reports_by_aspect(folder, capsys, tmp_path):
    data = lines_of(tmp_path / "test.jsonl", rows(40))
    page = str(tmp_path / "page.html")
    command = ["evaluate", str(folder / "model"), "--data", data]
    assert main([*command, "--json", "--out", page]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["pearson"]) == {"quality", "volume"} == set(found["aspects"])
    assert min(found["pearson"].values()) > 0.9 and found["reward_pearson"] > 0.7
    assert found["texts"] < found["n"] == sum(found["n_by_domain"].values())
    assert "volume" in (tmp_path / "page.html").read_text("utf8").lower()
    assert main(command) == 0
    assert "quality" in capsys.readouterr().out
    other = lines_of(tmp_path / "o.jsonl", rows(9, ("quality", "wit")))
    assert main(["evaluate", str(folder / "model"), "--data", other]) == 2
    assert "'wit'" in capsys.readouterr().err
    plain = lines_of(
        tmp_path / "plain.jsonl",
        [{"text": r["text"], "rating": r["rating"]} for r in rows(9)],
    )
    assert main(["evaluate", str(folder / "model"), "--data", plain, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["pearson"]) == {"all"}


def test_the_four_domains_as_tasks(human_ratings_dir, capsys, tmp_path):
    """Real ratings: each text belongs to one of four domains, all else is masked."""
    from rmkeras.data import load_human_ratings

    part = load_human_ratings("train[:3%]") + load_human_ratings("train[-3%:]")
    made = [{"text": r.text, "rating": r.rating, "aspect": r.source} for r in part]
    names = {row["aspect"] for row in made}
    assert len(names) > 1
    data, out = lines_of(tmp_path / "d.jsonl", made), str(tmp_path / "run")
    command = ["train-reward", "--data", data, "--out", out, "--json", "--epochs", "2"]
    options = ["--balance", "learned", "--vocabulary-size", "1000"]
    assert main([*command, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["aspects"]) == names and found["loss"] < 5
    # In two passes over so few texts it has at least begun to learn.
    assert max(found[f"pearson_{name}"] for name in names) > 0.3


def test_aspects_can_be_left_together(folder, capsys, tmp_path):
    from rmkeras.models import load_model

    data = str(folder / "train.jsonl")
    command = ["train-reward", "--data", data, "--out", str(tmp_path / "one"), *SMALL]
    assert main([*command, "--aspects", "none", "--epochs", "1"]) == 0
    assert load_model(tmp_path / "one").aspects == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--aspects", "quality,wit"], "nobody rated 'wit' in"),
        (["--aspects", "quality"], "one aspect needs no model of several"),
        (["--aspect-weights", "quality:3"], "is no NAME=NUMBER"),
        (["--aspect-weights", "wit=3"], "a weight for 'wit'"),
        (["--loss", "raters"], "--loss raters is not for several"),
        (["--aspects", "none", "--balance", "learned"], "two or more aspects"),
    ],
)
def test_options_that_do_not_fit_are_named(folder, capsys, tmp_path, options, message):
    data = str(folder / "train.jsonl")
    command = ["train-reward", "--data", data, "--out", str(tmp_path / "x"), *SMALL]
    assert main([*command, *options]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (tmp_path / "x").exists()
