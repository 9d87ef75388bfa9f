"""The option --template: whatever reads a feedback file takes it."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from rmkeras.cli import main
from rmkeras.data import ChatTemplate
from rmkeras.errors import RmkerasError
from rmkeras.feedback import Store

FORMATS = {"user": "<{content}>", "assistant": "({content})"}
PAIR = {
    "prompt": [{"role": "user", "content": "Hi"}],
    "chosen": [{"role": "assistant", "content": "Hello"}],
    "rejected": [{"role": "assistant", "content": "Hey"}],
}


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "template.json"
    path.write_text(json.dumps(FORMATS), "utf8")
    return ["--template", str(path)]


@pytest.fixture
def chat(tmp_path):
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps(PAIR) + "\n", "utf8")
    return str(path)


@pytest.mark.parametrize(
    ("reader", "command"),
    [
        ("data.usable.usable_records", "train-reward --data F --out OUT"),
        ("data.usable.usable_records", "evaluate MODEL --data F"),
        ("data.usable.usable_records", "sft --model MODEL --data F --out OUT"),
        ("data.texts.read_corpus", "train-lm --data F --out OUT"),
        ("data.read_prompts", "align --algorithm ppo --reward length --prompts F"),
        ("data.read_prompts", "align --algorithm ppo --reward length --valid F"),
        ("data.usable.usable_records", "align --algorithm dpo --data F"),
        ("data.usable.usable_records", "align --algorithm ilql --data F"),
    ],
)
def test_the_readers_get_it(reader, command, template, chat, tmp_path, monkeypatch):
    got = []

    def read(path, say, template=None):
        got.append((path, template))
        raise RmkerasError("read")

    monkeypatch.setattr(f"rmkeras.{reader}", read)
    policy = SimpleNamespace(max_length=64)
    monkeypatch.setattr("rmkeras._cli_language.load_language_model", lambda _: policy)
    if command.startswith("align"):
        command += " --policy MODEL --out OUT"
    words = {"F": chat, "OUT": str(tmp_path / "out")}
    assert main([words.get(w, w) for w in command.split()] + template) == 2
    assert got == [(chat, ChatTemplate(**FORMATS))]


def test_what_is_scored_goes_through_it(template, chat, tmp_path, monkeypatch, capsys):
    asked = []

    class Model:
        aspects = None

        def score(self, texts, prompts):
            asked.append((texts, prompts))
            return [1.0, 2.0]

    monkeypatch.setattr("rmkeras.models.load_model", lambda *_: Model())
    assert main(["score", "MODEL", chat, *template]) == 0
    with open(chat, "rb") as stream:
        given = io.TextIOWrapper(io.BytesIO(stream.read()))
    monkeypatch.setattr(sys, "stdin", given)
    assert main(["score", "MODEL", *template]) == 0
    assert asked == [(["Hello)", "Hey)"], ["<Hi>("] * 2)] * 2
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    assert row == PAIR | {"reward_chosen": 1.0, "reward_rejected": 2.0}


@pytest.mark.parametrize("where", ["--data", "import", "before import"])
def test_what_is_judged_goes_through_it(where, template, chat, tmp_path, monkeypatch):
    monkeypatch.setattr("rmkeras.feedback.serve.serve", lambda *a, **k: None)
    db = tmp_path / "a.db"
    start = ["annotate", "--db", str(db)]
    command = {
        "--data": [*start, "--data", chat, *template],
        "import": [*start, "import", chat, *template],
        "before import": [*start, *template, "import", chat],
    }
    assert main(command[where]) == 0
    with Store(db) as store:
        (item,) = store.items()
    assert (item.prompt, item.texts) == ("<Hi>(", ("Hello)", "Hey)"))


def test_weighed_records_go_through_it(template, chat, tmp_path):
    out = tmp_path / "weighed.jsonl"
    with open(chat, "w", encoding="utf8") as file:
        file.writelines(json.dumps({**PAIR, "rater": r}) + "\n" for r in "AB")
    assert main(["data", "weigh", chat, "--out", str(out), *template]) == 0
    assert json.loads(out.read_text("utf8"))["chosen"] == "Hello)"


def test_a_bad_template_is_named(chat, tmp_path, capsys):
    (tmp_path / "t.json").write_text('{"user": "Q"}', "utf8")
    command = ["evaluate", "MODEL", "--data", chat]
    assert main([*command, "--template", str(tmp_path / "t.json")]) == 2
    assert "the chat template of user is 'Q'" in capsys.readouterr().err
