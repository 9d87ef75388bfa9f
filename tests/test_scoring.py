import gzip
import io
import json
import sys

import pytest

from rmkeras.data import ChatTemplate
from rmkeras.errors import RmkerasError
from rmkeras.scoring import read_texts, write_scores

ASK = {"role": "user", "content": "Hi"}


def say(role, content):
    return {"role": role, "content": content}


@pytest.fixture
def given(monkeypatch):
    def put(content):
        content = content if isinstance(content, bytes) else content.encode()
        stream = io.TextIOWrapper(io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", stream)

    return put


def written(path, *rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf8")
    return path


@pytest.mark.parametrize(
    "content",
    ["id;text\n1;a, b\n2;c\n", 'rating,Text\n1,"a, b"\n2,c\n', "text\n\n'a, b'\nc\n"],
)
def test_csv_on_standard_input_is_csv(given, content):
    given(content.replace("'", '"'))
    texts = read_texts("-")
    assert texts.texts == ["a, b", "c"] and texts.kind == "csv"


@pytest.mark.parametrize("first", ["text, as it were", "a good film", "Text: fine."])
def test_a_sentence_is_no_header(given, first):
    given(first + "\nmore\n")
    texts = read_texts("-")
    assert texts.texts == [first, "more"] and texts.kind == "plain"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_are_those_of_feedback_files(given, tmp_path, encoding):
    content = '{"text": "B\u00e4r"}\nB\u00e4r\n'.encode(encoding)
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(content))
    given(content)
    for path in ("-", tmp_path / "a.txt", tmp_path / "a.txt.gz"):
        assert read_texts(path).texts == ["B\u00e4r"] * 2


def test_what_is_not_utf_8_is_refused(given):
    given(b"fine\n\nB\xe4r\n")
    with pytest.raises(RmkerasError, match="standard input:3: byte 0xE4 in column 2"):
        read_texts("-")


def test_a_line_ends_where_editors_end_it(given):
    given('{"text": "a\u2028b"}\nc\x0bd\r\n')
    assert read_texts("-").texts == ["a\u2028b", "c\x0bd"]


def test_blank_lines_are_counted(given):
    said = []
    given("a\n\n \nb\n")
    assert read_texts("-", said.append).texts == ["a", "b"]
    assert said == [
        "standard input: 2 blank lines were left out; every other one has a row"
    ]


def test_messages_go_through_the_template(tmp_path):
    hello, hey = say("assistant", "Hello"), say("assistant", "Hey")
    template = ChatTemplate(user="<{content}>", assistant="({content})")
    pair = {"chosen": [ASK, hello], "rejected": [ASK, hey], "id": 7}
    texts = read_texts(written(tmp_path / "a.jsonl", pair))
    assert texts.texts == [" Hello", " Hey"] and texts.rows == [pair]
    assert texts.prompts == ["\n\nHuman: Hi\n\nAssistant:"] * 2
    texts = read_texts(tmp_path / "a.jsonl", template=template)
    assert texts.texts == ["Hello)", "Hey)"] and texts.prompts == ["<Hi>("] * 2
    rows = {"prompt": [ASK], "completion": "Hello"}, {"prompt": "", "completion": ""}
    texts = read_texts(written(tmp_path / "b.jsonl", *rows), template=template)
    assert texts.texts == ["Hello)", ""] and texts.prompts == ["<Hi>(", ""]
    file = written(tmp_path / "c.jsonl", {"text": [ASK, hello]})
    assert read_texts(file, template=template).texts == ["<Hi>(Hello)"]
    mixed = written(tmp_path / "d.jsonl", {"chosen": [ASK], "rejected": "no"})
    with pytest.raises(RmkerasError, match="1: rejected is a string; expected"):
        read_texts(mixed)


def test_scored_messages_come_out_as_they_were(tmp_path):
    row = {"text": [ASK], "id": 7}
    stream = io.StringIO()
    write_scores(read_texts(written(tmp_path / "a.jsonl", row)), [0.5], stream)
    assert json.loads(stream.getvalue()) == row | {"reward": 0.5}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"prompt": "a"}\n' * 3, "a.jsonl:1: nothing to score among the "),
        ("a.csv", "words,rating\nb,1\n", "expected text, or completion, or chosen and"),
        ("a.txt", "\n", "a.txt holds no text to score; expected at least one"),
        ("a.csv", "text,rating\n", "a.csv holds no text to score; expected at least"),
        ("a.csv", "", "a.csv: the file is empty; expected texts to score"),
        ("a.txt", "text,id\na,b,c\n", "a.txt:2: 3 columns"),
        ("a.txt", 'a\n{"text": \n', "a.txt:2: not JSON"),
        ("a.jsonl", '{"chosen": "a", "rejected": 3}\n', ":1: rejected is 3; expected"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, "utf8")
    with pytest.raises(RmkerasError) as caught:
        read_texts(tmp_path / name)
    assert message in str(caught.value) and str(caught.value).count("\n") == 0


def test_many_problems_on_standard_input_name_no_command(given):
    given("text\n" + "a,b\n" * 30)
    with pytest.raises(RmkerasError) as caught:
        read_texts("-")
    lines = str(caught.value).splitlines()
    assert len(lines) == 21 and lines[-1] == "... and 10 more"
