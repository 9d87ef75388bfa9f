import io
import json
import sys

import numpy as np
import pytest

from rmkeras.cli import main
from rmkeras.models import REWARD_MODELS, CausalLM, load_model, lstm_reward_model
from rmkeras.text import SubwordTokenizer

TEXTS = ["a good film", "a bad film", "not so bad", "great!"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models")
    tokenizer = SubwordTokenizer.train(TEXTS * 5, 300)
    (path / "reward").mkdir()
    lstm_reward_model(tokenizer, dim=8, units=4).save(path / "reward" / "model.keras")
    lm = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    lm.save(path / "lm.keras")
    return path


@pytest.fixture(scope="module")
def expected(folder):
    return load_model(folder / "reward").score(TEXTS)


def ratings_csv(path, n=40):
    rows = [f'"{TEXTS[i % 4]}, said {i}",{i % 4 - 1}' for i in range(n)]
    path.write_text("text,rating\n" + "\n".join(rows) + "\n", "utf8")
    return path


def test_score_reads_standard_input(folder, expected, capsys, monkeypatch):
    lines = [TEXTS[0], "", json.dumps({"text": TEXTS[1], "id": 7})]
    stream = io.TextIOWrapper(io.BytesIO("\n".join(lines).encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["score", str(folder / "reward")]) == 0
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [r["text"] for r in out] == TEXTS[:2] and out[1]["id"] == 7
    np.testing.assert_allclose([r["reward"] for r in out], expected[:2], atol=1e-5)


def test_score_gives_csv_for_csv(folder, expected, capsys, tmp_path):
    file = tmp_path / "t.csv"
    file.write_text('id,text\n1,"a good film"\n2,"great!"\n', "utf8")
    assert main(["score", str(folder / "reward"), str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "id,text,reward" and lines[1].startswith("1,a good film,")
    assert abs(float(lines[2].rsplit(",", 1)[1]) - expected[3]) < 1e-5


def test_score_gives_one_json_object(folder, expected, capsys, tmp_path):
    file = tmp_path / "t.txt"
    file.write_text("\n".join(TEXTS), "utf8")
    assert main(["score", str(folder / "reward"), str(file), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(result["reward"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "id,words\n1,hello\n", "text"),
        ("t.jsonl", '{"text": "a"}\n{"text": 3}\n', "2: text"),
        ("none.csv", None, "none.csv"),
    ],
)
def test_score_names_what_is_wrong(folder, capsys, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content, "utf8")
    assert main(["score", str(folder / "reward"), str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_score_says_that_there_is_no_model(capsys, tmp_path):
    file = tmp_path / "t.txt"
    file.write_text("hello", "utf8")
    assert main(["score", str(tmp_path), str(file)]) == 2
    assert "holds no model.keras" in capsys.readouterr().err


def test_train_and_the_refusal_to_overwrite(capsys, tmp_path):
    data, out = ratings_csv(tmp_path / "r.csv"), str(tmp_path / "run")
    command = ["train-reward", "--data", str(data), "--out", out, "--epochs", "1"]
    command += ["--vocabulary-size", "300", "--batch-size", "16"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 40
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    # Other data or another rate would be passed over, and the old numbers reported.
    capsys.readouterr()
    other = [{**PAIR, "prompt": f"how {i}? "} for i in range(9)]
    command[2] = lines_of(tmp_path / "pairs.jsonl", *other)
    assert main([*command, "--resume", "--learning-rate", "0.5"]) == 2
    printed = capsys.readouterr()
    assert not printed.out and "holds another run" in printed.err
    for part in ("kind was ratings, is comparisons", "learning_rate was 0.002, is 0.5"):
        assert part in printed.err
    assert "data was 40 records" in printed.err
    assert main([*command, "--resume", "--members", "2"]) == 2
    assert "not of an ensemble" in capsys.readouterr().err


def test_models_of_several_kinds_become_one_ensemble(capsys, tmp_path):
    data, out = ratings_csv(tmp_path / "r.csv"), tmp_path / "run"
    command = ["train-reward", "--data", str(data), "--out", str(out), "--epochs", "1"]
    command += ["--vocabulary-size", "300", "--batch-size", "16"]
    assert main([*command, "--model", "lstm, ngrams", "--members", "2"]) == 0
    whole = load_model(out, REWARD_MODELS)
    kinds = [type(m.encoder).__name__ for m in whole.members]
    assert kinds == ["LSTMEncoder"] * 2 + ["NgramEncoder"] * 2
    # One tokeniser, so that ids can be scored inside a graph, as `align` does.
    assert whole.tokenizer == whole.members[0].tokenizer
    each = whole.score_members(["a good film"])
    assert float(whole.score(["a good film"])[0]) == pytest.approx(float(each.mean()))
    capsys.readouterr()
    assert main([*command, "--resume", "--model", "lstm,ngrams", "--members", "2"]) == 0
    command[command.index(str(out))] = str(tmp_path / "other")
    assert main([*command, "--model", "lstm,"]) == 2
    assert "there is no name" in capsys.readouterr().err
    assert main([*command, "--model", "lstm,ngrams", "--lora", "4"]) == 2
    assert "adapts a pretrained model" in capsys.readouterr().err


PAIR = {"prompt": "how? ", "chosen": "good film", "rejected": "bad film"}


def lines_of(path, *rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf8")
    return str(path)


def test_from_comparisons_to_a_judged_model(capsys, tmp_path):
    train = [{**PAIR, "prompt": f"how {i}? "} for i in range(30)]
    data = lines_of(tmp_path / "train.jsonl", *train, {**PAIR, "rejected": "good film"})
    other = lines_of(tmp_path / "other.jsonl", *train[:12])
    out = str(tmp_path / "run")
    command = ["train-reward", "--data", data, "--out", out, "--epochs", "3", "--json"]
    command += ["--vocabulary-size", "300", "--batch-size", "8"]
    assert main([*command, "--learning-rate", "0.01", "--max-length", "32"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["type"] == "preference" and result["n"] == 30
    assert "1 of 31 rows left out" in printed.err
    assert main(["evaluate", out, "--data", other, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pairwise_accuracy"] == 1.0 and found["n"] == 12
    assert {"ece", "length_baseline"} <= found.keys()
    assert main(["score", out, other]) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    assert row["reward_chosen"] > row["reward_rejected"] and row["prompt"] == "how 0? "


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        ({"prompt": "a", "completion": "b"}, [], "say nothing about what is better"),
        (PAIR, ["--loss", "mse"], "--loss mse does not fit"),
        (PAIR, ["--lora", "2"], "--lora adapts a pretrained model"),
        (PAIR, ["--model", "no-such-thing"], "no model 'no-such-thing'"),
        (PAIR, ["--patience", "1"], "give held-out data with --valid"),
    ],
)
def test_what_does_not_fit_is_said(capsys, tmp_path, row, options, message):
    data = lines_of(tmp_path / "d.jsonl", *[row] * 9)
    command = ["train-reward", "--data", data, "--out", str(tmp_path / "run"), *options]
    assert main([*command, "--vocabulary-size", "300"]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


@pytest.mark.parametrize("kind", ["unpaired", "stepwise"])
def test_labels_and_steps_train_a_classifier(capsys, tmp_path, kind):
    rows = [
        {"prompt": "q? ", "completion": word, "label": word == "good"}
        if kind == "unpaired"
        else {"prompt": "q? ", "completions": ["good", "bad"], "labels": [True, False]}
        for word in ["good", "bad"] * 15
    ]
    data, out = lines_of(tmp_path / "d.jsonl", *rows), str(tmp_path / "run")
    command = ["train-reward", "--data", data, "--out", out, "--epochs", "4", "--json"]
    command += ["--vocabulary-size", "300", "--batch-size", "8"]
    assert main([*command, "--learning-rate", "0.02"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.9
    assert main(["evaluate", out, "--data", data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classification"]["accuracy"] == 1.0


def test_a_bad_rating_file_ends_in_its_line(capsys, tmp_path):
    data = ratings_csv(tmp_path / "r.csv", 3)
    data.write_text(data.read_text("utf8") + "oops,good\n", "utf8")
    command = ["train-reward", "--data", str(data), "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert "r.csv:5: rating" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_generate_is_decided_by_its_seed(folder, capsys):
    command = [
        "generate",
        str(folder / "lm.keras"),
        "--n",
        "3",
        "--max-new-tokens",
        "5",
    ]
    outputs = []
    for seed in ("1", "1", "2"):
        assert main([*command, "--seed", seed, "--json"]) == 0
        outputs.append(json.loads(capsys.readouterr().out)["texts"])
    assert outputs[0] == outputs[1] != outputs[2] and len(outputs[0]) == 3


def test_generate_refuses_what_does_not_fit(folder, capsys):
    command = ["generate", str(folder / "lm.keras"), "--max-new-tokens", "99"]
    assert main(command) == 2
    assert "16 positions" in capsys.readouterr().err


def test_the_demo_walks_the_whole_path(
    human_ratings_dir, capsys, tmp_path, monkeypatch
):
    monkeypatch.setenv("RMKERAS_DATA_DIR", str(human_ratings_dir))
    assert main(["demo", "--quick", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and lines[-1].endswith("report.html")
    metrics = json.loads((tmp_path / "metrics.json").read_text("utf8"))
    domains = {
        "tweets",
        "amazonReviewSnippets",
        "movieReviewSnippets",
        "nytEditorialSnippets",
    }
    rewards = metrics["reward_model"]
    for name in ("lstm", "transformer"):
        assert set(rewards[name]["pearson"]) == domains and rewards[name]["seconds"] > 0
    assert set(rewards["baselines"]) == {"vader", "tfidf_ridge", "one_human"}
    assert set(metrics["language_model"]) == {"perplexity", "trigram_perplexity"}
    keys = {
        f"{k}_{w}"
        for k in ("reward", "judge", "vader", "distinct2")
        for w in ("before", "after")
    }
    assert set(metrics["reinforce"]) == keys | {"kl"}
    page = (tmp_path / "report.html").read_text("utf8")
    assert "<svg" in page or "data:image/" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
