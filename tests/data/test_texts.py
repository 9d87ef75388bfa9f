import gzip
import json

import pytest

from rmkeras.data import read_corpus
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
    with pytest.raises(RmkerasError, match="No such file"):
        read_corpus(tmp_path / "no.txt")
    file = tmp_path / "a.txt"
    file.write_bytes(b"fine\n\xff\n")
    with pytest.raises(RmkerasError, match=r"a\.txt:2: byte 0xff"):
        read_corpus(file)
    file.write_text("\n\n")
    with pytest.raises(RmkerasError, match="holds no text"):
        read_corpus(file)
