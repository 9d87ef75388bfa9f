import json

import pytest

from rmkeras.data import ChatTemplate, read_prompts
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
        ('{"prompt": "a"}\n{"prompt": 3}\n', ":2: prompt is 3; expected a string"),
        ('{"prompt": "a"}\nnonsense\n', ":2: not JSON"),
        ("[1]\n", ":1: the file is one JSON list"),
        ('{"prompt": "a"}\n{"id": 3}\n', ":2: prompt is missing"),
        ('{"prompt": "a"}\n{"prompt": null}\n', ":2: prompt is "),
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


def test_csv_loses_no_text_and_no_row(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('id,prompt\n1,hello, my friend\n2,"unclosed\n3,third\n', "utf8")
    with pytest.raises(RmkerasError) as caught:
        read_prompts(file)
    first, second = str(caught.value).splitlines()
    assert "a.csv:2: 3 columns; expected 2" in first
    assert "a.csv:3: a double quote is opened and never closed" in second
    file.write_text('prompt,n\n"two\nlines",1\nb,2,3\n', "utf8")
    with pytest.raises(RmkerasError, match=r"a\.csv:4: 3 columns"):
        read_prompts(file)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"Prompt,ID\none,1\n two,2\n"),
        ("a.csv", b"id;prompt\n1;one\n2; two\n"),
        ("a.tsv", b"id\tprompt\n1\tone\n2\t two\n"),
        ("a.csv", b"\xef\xbb\xbfprompt\none\n two\n"),
        ("a.csv", "prompt\none\n two\n".encode("utf-16")),
        ("a.jsonl", b'\xef\xbb\xbf{"prompt": "one"}\n{"prompt": " two"}\n'),
    ],
)
def test_prompts_are_read_as_feedback_files_are(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read_prompts(tmp_path / name) == (["one", " two"], None)


def test_a_cell_may_be_long_and_a_string_may_hold_a_line_separator(tmp_path):
    (tmp_path / "a.csv").write_text(f"prompt\n{'x' * 140_000}\n", "utf8")
    assert len(read_prompts(tmp_path / "a.csv").prompts[0]) == 140_000
    (tmp_path / "b.jsonl").write_text('{"prompt": "a\u2028b"}\n', "utf8")
    assert read_prompts(tmp_path / "b.jsonl").prompts == ["a\u2028b"]


def test_prompts_may_be_messages(tmp_path):
    hi = [{"role": "user", "content": "Hi"}]
    file = write(tmp_path / "a.jsonl", [{"prompt": hi}])
    assert read_prompts(file).prompts == ["\n\nHuman: Hi\n\nAssistant:"]
    template = ChatTemplate(user="<{content}>", assistant="({content})")
    assert read_prompts(file, template=template).prompts == ["<Hi>("]
    file = write(tmp_path / "b.jsonl", [{"prompt": hi, "completion": "Hello"}])
    assert read_prompts(file) == (["\n\nHuman: Hi\n\nAssistant:"], [" Hello"])
    (tmp_path / "c.csv").write_text(
        'prompt\n"[{""role"": ""user"", ""content"": ""Hi""}]"\n', "utf8"
    )
    assert read_prompts(tmp_path / "c.csv", template=template).prompts == ["<Hi>("]
    file = write(tmp_path / "d.jsonl", [{"prompt": [{"role": "user"}]}])
    with pytest.raises(RmkerasError, match=":1: prompt is a list whose message 1 has"):
        read_prompts(file)


def test_references_that_are_not_whole_are_told(tmp_path):
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": " "}]
    said = []
    found = read_prompts(write(tmp_path / "a.jsonl", rows), said.append)
    assert found == (["a", "c"], None)
    assert len(said) == 1 and "1 of 2 rows have no completion" in said[0]


def test_ratings_may_lack_a_prompt_here_and_there(tmp_path):
    rows = [{"text": "a", "rating": 1, "prompt": "q"}, {"text": "b", "rating": 2}]
    assert read_prompts(write(tmp_path / "a.jsonl", rows)).prompts == ["q", ""]


def test_prompts_of_an_export_are_those_of_its_records(tmp_path):
    said = {"type": "pairwise", "from_name": "better", "value": {"selected": "left"}}
    task = {
        "data": {"prompt": "q", "answer_1": "a", "answer_2": "b"},
        "annotations": [{"completed_by": 7, "result": [said]}],
    }
    file = tmp_path / "export.json"
    file.write_text(json.dumps([task]), "utf8")
    assert read_prompts(file) == (["q"], ["a"])
