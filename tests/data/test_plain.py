import gzip

import pytest

from rmkeras.cli import main
from rmkeras.data import check_records, read_corpus, read_records
from rmkeras.errors import RmkerasError


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("One\ntwo.\n\n\nThree.\n", [1, 5]),
        ("\n\nOne\n \n\ttwo.\nThree.\n\n", [3, 5, 6]),
        ("One\n \n\nThree.", [1, 4]),
        ('Hello, "world"!\nSo it goes\n', [1, 2]),
        ("a,b\r\n\r\nc d", None),
        ("a, b c\r\n\r\n[{}]", [1, 3]),
    ],
)
def test_the_texts_are_those_that_train_lm_takes(tmp_path, content, lines):
    path = tmp_path / "a.txt"
    path.write_text(content, "utf8", newline="")
    report = check_records(path)
    if lines is None:  # It may be a mistyped header.
        assert "no type of feedback has these fields: 'a', 'b'" in str(report.problems)
        return
    assert report.ok and report.type == "text" and report.lines == lines
    assert [r.text for r in report.records] == read_corpus(path)
    (note,) = report.warnings
    assert "plain text, " in str(note) and "for train-lm" in str(note)
    (tmp_path / "a.md.gz").write_bytes(gzip.compress(content.encode("utf-16")))
    assert check_records(tmp_path / "a.md.gz").records == report.records


def test_the_command_says_what_it_took(tmp_path, capsys):
    path = tmp_path / "texts.txt"
    path.write_text("A first one.\n\nA second\none.\n", "utf8")
    assert main(["data", "check", str(path)]) == 0
    printed = capsys.readouterr()
    assert "texts.txt: 2 text rows, 2 good, 0 bad, 1 note, 1 blank line" in printed.out
    assert "note: " in printed.err and "documents between empty lines" in printed.err


def test_csv_under_that_name_stays_csv(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("text\trating\ngood\t3\n", "utf8")
    assert read_records(path)[0].rating == 3
    path.write_text("A sentence.\n", "utf8")
    with pytest.raises(RmkerasError, match="no column is named text"):
        read_records(path, type="rating")
    path.write_text('{"text": "a"}\n', "utf8")
    assert not check_records(path).ok


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.txt: the file is empty; expected texts"),
        (b" \n\n", "a.txt: the file is empty"),
        (b"One.\n\nfine\nB\xe4r\n\nTwo.\n", "a.txt:4: byte 0xE4 in column 2"),
        (
            gzip.compress(b"One.\n" * 90, mtime=0)[:-9],
            "the compressed file breaks off here",
        ),
        (None, "a.txt: no such file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    report = check_records(tmp_path / "a.txt")
    assert message in str(report.problems[0]) and len(report.problems) == 1
    if content and b"fine" in content:
        assert report.counts["rows"] == 3 and report.counts["bad"] == 1
