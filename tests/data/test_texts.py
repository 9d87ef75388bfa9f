import gzip
import json
import random

import pytest

from rmkeras.data import read_corpus, read_prompts
from rmkeras.errors import RmkerasError


def test_documents_are_set_apart_by_empty_lines(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(b"One\r\ntwo.\r\n\r\nThree.\n")
    assert read_corpus(file) == ["One\ntwo.", "Three."]


def test_without_empty_lines_each_line_is_one(tmp_path):
    file = tmp_path / "a.txt.gz"
    file.write_bytes(gzip.compress("Ein Bär.\nZwei.\n".encode()))
    assert read_corpus(file) == ["Ein Bär.", "Zwei."]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": "plain"}, "plain"),
        ({"text": "rated", "rating": 1}, "rated"),
        ({"prompt": "p", "completion": "c"}, "p\nc"),
        ({"prompt": "p ", "chosen": "good", "rejected": "bad"}, "p good"),
        ({"prompt": "p", "completion": "c", "label": True}, "c"),
        ({"prompt": "p", "completions": ["a", "b"], "labels": [True, False]}, "pab"),
    ],
)
def test_every_type_of_record_has_a_text(tmp_path, row, expected):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(row) + "\n", "utf8")
    assert read_corpus(file) == [expected]


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(RmkerasError, match="no such file"):
        read_corpus(tmp_path / "no.txt")
    file = tmp_path / "a.txt"
    file.write_bytes(b"fine\n\xff\n")
    with pytest.raises(RmkerasError, match=r"a\.txt:2: byte 0xFF in column 1"):
        read_corpus(file)
    file.write_text("\n\n")
    with pytest.raises(RmkerasError, match="holds no text"):
        read_corpus(file)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_are_those_of_feedback_files(tmp_path, encoding):
    file = tmp_path / "a.txt"
    file.write_bytes("Tell me.\r\nEin B\u00e4r.\n".encode(encoding))
    assert read_corpus(file) == ["Tell me.", "Ein B\u00e4r."]
    assert read_prompts(file).prompts == ["Tell me.", "Ein B\u00e4r."]


def test_a_line_ends_where_editors_end_it(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("one\u2028still one\x0bone\ntwo", "utf8", newline="")
    assert read_corpus(file) == ["one\u2028still one\x0bone", "two"]
    assert read_prompts(file).prompts == read_corpus(file)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_broken_gzip_file_is_named(tmp_path, damage):
    rng = random.Random(0)
    text = "".join(chr(rng.randrange(97, 123)) for _ in range(9000)).encode()
    packed = bytearray(gzip.compress(text + b"\n"))
    if damage == "cut":
        del packed[-2000:]
    else:
        packed[2000:2600] = b"\xff" * 600
    file = tmp_path / "a.txt.gz"
    file.write_bytes(packed)
    for read in (read_corpus, read_prompts):
        with pytest.raises(RmkerasError, match="the compressed file breaks off here"):
            read(file)


def test_a_corpus_may_stand_on_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("rmkeras.data.source.MAX_LINE", 100)
    (tmp_path / "a.txt").write_text("x" * 1000, "utf8")
    assert read_corpus(tmp_path / "a.txt") == ["x" * 1000]
