import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rmkeras
from rmkeras import cli
from rmkeras.data import read_ratings


@pytest.fixture
def ratings(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(
        "text;rating;stars\nsehr gut 👍;3,5;1\n很好;4;1\nsehr  gut 👍;3,5;1\n",
        encoding="utf-8-sig",
    )
    return path


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.csv"
    path.write_text('text,rating\n"two\nlines",good\n\n,1\nfine,2\n', encoding="utf-8")
    return path


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "rmkeras", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        **options,
    )


def test_help_loads_nothing_heavy():
    # What makes a command slow to answer is what it imports.
    code = (
        "import sys\nfrom rmkeras import cli\n"
        "try:\n    cli.main(['--help'])\n"
        "finally:\n    print(sorted({n.split('.')[0] for n in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert "data" in done.stdout
    loaded = done.stdout.splitlines()[-1]
    for name in ("argparse", "rmkeras"):
        assert f"'{name}'" in loaded
    for name in ("tensorflow", "keras", "numpy", "nltk", "scipy", "matplotlib"):
        assert f"'{name}'" not in loaded


def test_check_of_a_good_file(ratings, capsys):
    assert cli.main(["data", "check", str(ratings)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{ratings}: 3 rating rows, 3 good, 0 bad, 1 note, 0 blank lines\n"
    assert "note: " in err
    assert "'stars'" in err


def test_check_of_a_bad_file_in_a_process_of_its_own(broken):
    done = run("data", "check", broken)
    assert done.returncode == 2
    assert f"{broken}:2: rating is 'good'; expected a number" in done.stderr
    assert f"{broken}:5: text is empty" in done.stderr
    assert "Traceback" not in done.stderr
    assert "3 rating rows, 1 good, 2 bad" in done.stdout


def test_check_as_json(broken, capsys):
    assert cli.main(["data", "check", str(broken), "--json"]) == 2
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["ok"] is False
    assert [p["line"] for p in report["problems"]] == [2, 5]
    assert report["counts"] == {
        "rows": 3,
        "good": 1,
        "bad": 2,
        "blank": 1,
        "warnings": 0,
    }
    assert "broken.csv:2:" in err


@pytest.fixture
def pairs(tmp_path):
    """Two files of comparisons; one test row in three is in the training file too."""
    question = "How do I house, feed, and otherwise care for a rat as a pet? "
    rows = [
        {"prompt": question, "chosen": "With love and seeds.", "rejected": "Not."},
        {"prompt": "", "chosen": "so much better", "rejected": "worse by far"},
        {"prompt": "Who wrote Faust?", "chosen": "Goethe did.", "rejected": "Me."},
    ]
    copy = {**rows[0], "prompt": question.upper()}
    other = [copy, {**rows[1], "chosen": "entirely new"}, {**rows[2], "prompt": "?"}]
    for name, content in (("train", rows), ("test", other)):
        lines = "".join(json.dumps(row) + "\n" for row in content)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    return tmp_path / "train.jsonl", tmp_path / "test.jsonl"


def test_check_finds_test_records_in_the_training_file(pairs, capsys):
    train, test = map(str, pairs)
    assert cli.main(["data", "check", train, "--against", test]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{train}: 3 preference rows, 3 good")
    assert out[1].startswith(f"{test}: 3 preference rows, 3 good")
    assert out[2] == (
        "near-duplicates by record: 1 of 3 records (33.3%) are at least 0.8 like one "
        f"of {train} (lines 1 ~ 1)"
    )
    assert out[3].startswith("near-duplicates by prompt: 1 of 2 records (50.0%)")
    command = ["data", "check", train, "--against", test, "--json", "--threshold", "1"]
    assert cli.main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["type"] == report["against"]["type"] == "preference"
    assert report["near_duplicates"]["record"]["pairs"] == [
        {"test": 1, "train": 1, "similarity": 1.0}
    ]


def test_clean_leaves_out_near_duplicates_on_demand(pairs, tmp_path, capsys):
    both = tmp_path / "both.jsonl"
    both.write_text("".join(path.read_text() for path in pairs))
    command = ["data", "clean", str(both), "--out", str(tmp_path / "out.jsonl")]
    assert cli.main(command) == 0
    assert "6 of 6 rows kept" in capsys.readouterr().out
    assert cli.main([*command, "--near-duplicates"]) == 0
    out, err = capsys.readouterr()
    assert "5 of 6 rows kept" in out
    assert "1 near-duplicate too" in out
    assert f"left out: {both}:4: 1.00 like line 1" in err


def test_check_takes_a_type_and_a_template(tmp_path, capsys):
    path, template = tmp_path / "r.jsonl", tmp_path / "template.json"
    path.write_text('{"text": [{"role": "bot", "content": "Hi"}], "rating": 2}\n')
    template.write_text('{"bot": "Bot: {content}"}')
    assert cli.main(["data", "check", str(path)]) == 2
    assert "the unknown role 'bot'" in capsys.readouterr().err
    command = ["data", "check", str(path), "--template", str(template)]
    assert cli.main(command) == 0
    assert "1 rating row, 1 good" in capsys.readouterr().out
    assert cli.main([*command, "--type", "text"]) == 0
    assert "1 text row, 1 good" in capsys.readouterr().out
    assert cli.main([*command, "--type", "pairs"]) == 2
    assert "expected one of rating, preference" in capsys.readouterr().err


def test_check_of_what_is_not_there(tmp_path, capsys):
    assert cli.main(["data", "check", str(tmp_path / "none.csv")]) == 2
    assert "none.csv: no such file" in capsys.readouterr().err


def test_clean(ratings, tmp_path, capsys):
    out = tmp_path / "clean.jsonl.gz"
    assert cli.main(["data", "clean", str(ratings), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == (
        f"{out}: 2 of 3 rows kept (0 changed), 1 duplicate and 0 bad rows left out\n"
    )
    assert "ratings.csv:4: repeats line 2" in said.err
    assert [r.rating for r in read_ratings(out)] == [3.5, 4.0]


def test_clean_with_steps_as_json(ratings, tmp_path, capsys):
    out = tmp_path / "clean.csv"
    steps = "lowercase, strip_punctuation,collapse_whitespace"
    command = [
        "data",
        "clean",
        str(ratings),
        "--out",
        str(out),
        "--json",
        "--steps",
        steps,
    ]
    assert cli.main(command) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["steps"] == ["lowercase", "strip_punctuation", "collapse_whitespace"]
    assert report["duplicates"] == [{"line": 4, "repeats": 2}]
    assert report["counts"]["kept"] == 2


def test_clean_refuses_bad_rows_and_skips_them_on_demand(broken, tmp_path, capsys):
    out = tmp_path / "clean.csv"
    command = ["data", "clean", str(broken), "--out", str(out), "--json"]
    assert cli.main(command) == 2
    said = capsys.readouterr()
    assert "broken.csv:2: rating is 'good'" in json.loads(said.out)["error"]
    assert "--skip-bad" in said.err
    assert not out.exists()
    assert cli.main([*command, "--skip-bad"]) == 0
    said = capsys.readouterr()
    assert [p["line"] for p in json.loads(said.out)["bad"]] == [2, 5]
    assert "left out: " in said.err
    assert len(read_ratings(out)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["data"],
        ["nonsense"],
        ["data", "prepare"],
        ["data", "prepare", "cat-pictures"],
        ["data", "clean", "in.csv"],
        ["data", "clean", "in.csv", "--out", "out.xlsx"],
        ["data", "clean", "in.csv", "--out", "out.csv", "--steps", "upper"],
        [
            "data",
            "prepare",
            "human-ratings",
            "--archive",
            "/no/such/file",
            "--data-dir",
            "/no/such/dir",
        ],
    ],
)
def test_mistakes_end_in_status_2_and_a_message(
    arguments, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == []


def test_ctrl_c_is_one_line_and_status_130(monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("rmkeras.data.check_records", interrupted)
    assert cli.main(["data", "check", "x.csv"]) == 130
    assert capsys.readouterr().err == "rmkeras: stopped\n"


def test_prepare_again_does_nothing_and_says_so(human_ratings_dir):
    def times():
        return {p: p.stat().st_mtime_ns for p in human_ratings_dir.rglob("*")}

    before = times()
    done = run(
        "data", "prepare", "human-ratings", "--data-dir", human_ratings_dir, "--json"
    )
    assert times() == before
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "path": str(human_ratings_dir / "human_ratings"),
        "already": True,
    }
    assert "already" in done.stderr


def test_an_old_terminal_gets_numbers_for_emoji(tmp_path):
    path = tmp_path / "👍.csv"
    path.write_text("text,rating\na,👍\n", encoding="utf-8")
    done = run("data", "check", path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2
    assert "rating is '\\U0001f44d'" in done.stderr
    assert "\\U0001f44d.csv: 1 rating row, 0 good" in done.stdout


def test_version_is_that_of_the_project():
    project = Path(rmkeras.__file__).parents[1] / "pyproject.toml"
    assert (
        tomllib.loads(project.read_text())["project"]["version"] == rmkeras.__version__
    )


def test_submodules_are_there_when_asked_for():
    code = "import rmkeras; print(rmkeras.text.lowercase('A'), 'data' in dir(rmkeras))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "a True\n"
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = rmkeras.nonsense
