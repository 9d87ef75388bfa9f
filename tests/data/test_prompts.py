import json

import pytest

from rmkeras.data import read_prompts
from rmkeras.errors import RmkerasError


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf8")
    return path


def test_every_kind_of_file(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\n two \n", "utf8")
    assert read_prompts(tmp_path / "a.txt") == (["one", "two"], None)
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d"}]
    expected = (["a", "c"], ["b", "d"])
    assert read_prompts(write(tmp_path / "b.jsonl", rows)) == expected
    rows[1].pop("completion")
    assert read_prompts(write(tmp_path / "c.jsonl", rows)) == (["a", "c"], None)
    (tmp_path / "d.csv").write_text('prompt,completion\na,b\n"c, c",d\n', "utf8")
    assert read_prompts(tmp_path / "d.csv") == (["a", "c, c"], ["b", "d"])
    rows = [{"prompt": "q", "chosen": "good", "rejected": "bad"}]
    assert read_prompts(write(tmp_path / "e.jsonl", rows)) == (["q"], ["good"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"prompt": "a"}\n{"prompt": 3}\n', ":2: prompt is a int"),
        ('{"prompt": "a"}\nnonsense\n', ":2: not JSON"),
        ("[1]\n", ":1: expected an object"),
        ('{"prompt": " "}\n', "holds no prompt"),
        ('{"text": "a", "rating": 1}\n', "no field prompt"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    (tmp_path / "x.jsonl").write_text(text, "utf8")
    with pytest.raises(RmkerasError, match=message):
        read_prompts(tmp_path / "x.jsonl")
    with pytest.raises(RmkerasError):
        read_prompts(tmp_path / "nowhere.jsonl")
