"""The option --template: whatever reads a feedback file takes it."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from rmkeras.cli import main
from rmkeras.data import ChatTemplate
from rmkeras.data.chat import saved_template
from rmkeras.errors import RmkerasError
from rmkeras.feedback import Store
from rmkeras.models import load_model

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


CHATS = [
    {
        "prompt": [{"role": "user", "content": f"Is {i} a number?"}],
        "chosen": [{"role": "assistant", "content": "Yes, of course."}],
        "rejected": [{"role": "assistant", "content": "No, never."}],
    }
    for i in range(8)
]


def test_a_reward_model_keeps_its_template(template, tmp_path, capsys):
    def run(*command):
        assert main([str(part) for part in command]) == 0
        return capsys.readouterr()

    pairs, chat = tmp_path / "pairs.jsonl", tmp_path / "chat.jsonl"
    pairs.write_text("".join(json.dumps(pair) + "\n" for pair in CHATS), "utf8")
    row = {"prompt": CHATS[0]["prompt"], "completion": CHATS[0]["chosen"]}
    chat.write_text(json.dumps(row) + "\n", "utf8")
    plain = tmp_path / "plain.jsonl"
    row = {"prompt": "<Is 0 a number?>(", "completion": "Yes, of course.)"}
    plain.write_text(json.dumps(row) + "\n", "utf8")
    other = tmp_path / "other.json"
    other.write_text('{"user": "Q: {content}"}', "utf8")

    out = tmp_path / "model"
    train = ["train-reward", "--data", pairs, "--epochs", 1, "--out"]
    run(*train, out, *template)
    assert saved_template(out) == ChatTemplate(**FORMATS)
    scores = {
        name: json.loads(run("score", out, file, "--json", *more).out)["reward"]
        for name, file, more in (
            ("own", chat, []),
            ("typed", chat, template),
            ("plain", plain, []),
            ("other", chat, ["--template", other]),
        )
    }
    assert scores["own"] == scores["typed"] == scores["plain"] != scores["other"]
    told = run("evaluate", out, "--data", pairs, "--json", "--template", other).err
    assert told.count("was trained with another chat template") == 1
    assert "another chat" not in run("evaluate", out, "--data", pairs, "--json").err
    # What was trained further from it, and its ensemble, know it too.
    run(*train, tmp_path / "more", "--model", out)
    assert saved_template(tmp_path / "more") == ChatTemplate(**FORMATS)
    run(*train, tmp_path / "two", "--members", 2, *template)
    assert saved_template(tmp_path / "two") == ChatTemplate(**FORMATS)
    run(*train, tmp_path / "none")
    assert saved_template(tmp_path / "none") is None


def test_a_language_model_keeps_its_template(template, tmp_path, capsys):
    from rmkeras.models import CausalLM, ILQLModel
    from rmkeras.text import SubwordTokenizer

    tokenizer = SubwordTokenizer.train(["Is it a number? Yes"] * 9, 280)
    base = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=48)
    base.build()
    (tmp_path / "base").mkdir()
    base.save(tmp_path / "base" / "model.keras")
    data = tmp_path / "sft.jsonl"
    rows = [{"prompt": c["prompt"], "completion": c["chosen"]} for c in CHATS]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf8")
    out = tmp_path / "sft"
    command = ["sft", "--model", str(tmp_path / "base"), "--data", str(data)]
    assert main([*command, "--out", str(out), "--epochs", "1", *template]) == 0
    assert saved_template(out) == ChatTemplate(**FORMATS)
    model = ILQLModel.from_policy(load_model(out))
    assert ChatTemplate(**json.loads(model.chat_template)) == ChatTemplate(**FORMATS)
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(b"PK")
    assert saved_template(damaged) is None and saved_template("nothing") is None
