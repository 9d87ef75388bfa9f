"""The command `annotate` and its commands."""

import importlib.util
import json
import socket
import subprocess
import sys

import pytest

from rmkeras.cli import main
from rmkeras.feedback import Store


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"prompt": "p", "chosen": f"a{i}", "rejected": f"b{i}"} for i in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def served(monkeypatch):
    """What `serve` was called with, instead of serving."""
    calls = []
    import rmkeras.feedback.serve

    monkeypatch.setattr(
        rmkeras.feedback.serve, "serve", lambda *a, **k: calls.append((a, k))
    )
    # Any free port: what serves at 8000 meanwhile is none of these tests' business.
    listen = rmkeras.feedback.serve.listen
    monkeypatch.setattr(
        rmkeras.feedback.serve, "listen", lambda host, port: listen(host, 0)
    )
    return calls


def test_the_plan_and_the_items_are_kept(pairs, tmp_path, served, capsys):
    db, guide = tmp_path / "a.db", tmp_path / "guide.md"
    guide.write_text("Be fair.")
    options = ["--raters-per-item", "3", "--guide", str(guide), "--scale", "0,2"]
    options += ["--aspects", "true, kind", "--title", "T", "--data", str(pairs)]
    assert main(["annotate", "--db", str(db), *options]) == 0
    assert "3 items, 3 of them new" in capsys.readouterr().err
    assert main(["annotate", "--db", str(db), "--data", str(pairs)]) == 0
    assert "3 items, 0 of them new" in capsys.readouterr().err
    with Store(db) as store:
        plan = store.plan
        assert (plan.raters_per_item, plan.scale, plan.title) == (3, (0, 2), "T")
        assert plan.aspects == ("true", "kind") and plan.guide == "Be fair."
        assert len(list(store.items())) == 3
    (_, host, port, public, _), _ = served[0]
    assert (host, port, public) == ("127.0.0.1", 8000, False)


def test_public_listens_to_others(pairs, tmp_path, served):
    db = str(tmp_path / "a.db")
    assert main(["annotate", "--db", db, "--data", str(pairs), "--public"]) == 0
    (_, host, _, public, _), _ = served[0]
    assert (host, public) == ("0.0.0.0", True)


def test_gold_items_come_once_in_ten_unless_told(pairs, tmp_path, served):
    db = str(tmp_path / "a.db")
    assert main(["annotate", "--db", db, "--gold", str(pairs)]) == 0
    with Store(db) as store:
        assert store.plan.gold_every == 10
        assert all(item.gold == {"choice": "first"} for item in store.items())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "--public"),
        (["--scale", "1-5"], "--scale 1-5"),
        (["--scale", "5,1"], "scale"),
        (["--guide", "none.md"], "none.md"),
        (["--data", "none.jsonl"], "none.jsonl"),
        (["--model", "none"], "none"),
        (["--gold-every", "-1"], "gold_every"),
        (["--db", "no/such/folder/a.db"], "no/such/folder"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(
    options, words, tmp_path, monkeypatch, capsys, served
):
    monkeypatch.chdir(tmp_path)
    assert main(["annotate", *options]) == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
    assert not served


def test_a_missing_library_is_named_with_the_command(monkeypatch, tmp_path, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "uvicorn" else real(name, *a),
    )
    assert main(["annotate", "--db", str(tmp_path / "a.db")]) == 2
    error = capsys.readouterr().err
    assert 'pip install "rmkeras[annotate]"' in error and "uvicorn" in error
    assert not (tmp_path / "a.db").exists()


def test_a_taken_port_is_said_and_keeps_nothing(pairs, tmp_path, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        db = tmp_path / "a.db"
        command = ["annotate", "--db", str(db), "--data", str(pairs), "--port"]
        assert main([*command, port]) == 2
    assert f"port {port}" in capsys.readouterr().err
    assert main([*command, "99999"]) == 2
    assert "port 99999" in capsys.readouterr().err
    assert not db.exists()  # And with it none of the items.


def test_texts_without_a_prompt_are_not_compared(tmp_path, served, capsys):
    file, db = tmp_path / "r.csv", str(tmp_path / "a.db")
    file.write_text("text,rating\ngood,3\nbad,-3\nodd,0\n", "utf8")
    command = ["annotate", "--db", db, "--data", str(file), "--task"]
    for task in ("compare", "rank"):
        assert main([*command, task]) == 2
        error = capsys.readouterr().err
        assert f"{file}: --task {task}" in error and "3 of 3 texts" in error
    assert not served
    assert main([*command, "rate"]) == 0


def test_invite_and_export(pairs, tmp_path, served, capsys):
    db, names = str(tmp_path / "a.db"), tmp_path / "names.txt"
    names.write_text("Béa\n\nאורי\n", "utf8")
    main(["annotate", "--db", db, "--data", str(pairs)])
    command = ["annotate", "--db", db, "invite", "Ada", "--file", str(names)]
    assert main([*command, "--url", "http://host:1/", "--json"]) == 0
    links = json.loads(capsys.readouterr().out)["links"]
    assert [*links] == ["Ada", "Béa", "אורי"]
    with Store(db) as store:
        token = links["Ada"].removeprefix("http://host:1/in/")
        assert store.rater_of_token(token).name == "Ada"
        for name, choice in (("Ada", "first"), ("Béa", "second")):
            store.record(store.rater(name), 1, {"choice": choice})
    out = str(tmp_path / "out.jsonl")
    assert main(["annotate", "export", out, "--db", db, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 2
    assert main(["data", "check", out]) == 0
    everything = str(tmp_path / "all.jsonl.gz")
    assert (
        main(["annotate", "export", everything, "--db", db, "--type", "answers"]) == 0
    )
    missing = str(tmp_path / "missing.db")
    assert main(["annotate", "export", out, "--db", missing]) == 2
    assert main(["annotate", "invite", "--db", db]) == 2
    assert main(["annotate", "invite", "a\u202eb", "--db", db]) == 2


def test_the_server_needs_no_tensorflow():
    code = (
        "import sys, rmkeras.feedback.app, rmkeras.feedback.overview as o;"
        "o._alpha('x', 'nominal', [['a', 'a'], ['b', 'a']]);"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_ratings_come_in_with_their_aspects_and_scale(tmp_path, capsys):
    file, db = tmp_path / "ratings.csv", tmp_path / "a.db"
    file.write_text("text,rating\ngood,3\nbad,-3\n", "utf8")
    start = ["annotate", "import", str(file), "--db", str(db)]
    assert main(start) == 2
    error = capsys.readouterr().err
    assert "ratings.csv:2: rater 'imported': aspect 'overall' is unknown" in error
    assert "add --aspects overall --scale=-3,3" in error
    assert main([*start, "--aspects", "overall"]) == 2
    assert "ratings.csv:3: rater 'imported': overall is -3" in capsys.readouterr().err
    with Store(db) as store:
        assert "overall" not in store.plan.aspects and not list(store.items())
    assert main([*start, "--aspects", "overall", "--scale=-3,3"]) == 0
    with Store(db) as store:
        assert store.plan.aspects == ("overall",) and store.plan.scale == (-3, 3)
        assert len(store.answers()) == 2
    before = ["annotate", "--aspects", "overall", "--scale=-4,4", "import", str(file)]
    assert main([*before, "--db", str(db)]) == 0
    with Store(db) as store:
        assert store.plan.scale == (-4, 4)
