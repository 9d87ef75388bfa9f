import gzip
import json
import warnings

import pytest

from rmkeras.data import Rating, check_ratings, read_ratings
from rmkeras.errors import RmkerasError


@pytest.fixture
def write(tmp_path):
    def write(content, name="ratings.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def where(report):
    """Line and field of each problem."""
    return [(p.line, p.field) for p in report.problems]


def test_a_spreadsheet_export_with_everything_at_once(write):
    path = write(
        "\ufeff\r\n Text ;RATING;Rater;prompt;\r\n"
        '"He said ""no""; twice";3,5;Ada;;\r\n'
        "\r\n"
        ";;;;\r\n"
        '"zwei\r\nZeilen";-1;;Wie war es?;\r\n'
        "很好 👍🏽;\u22124;李;;\r\n"
    )
    report = check_ratings(path)
    assert report.problems == report.warnings == []
    assert report.records == [
        Rating('He said "no"; twice', 3.5, rater="Ada"),
        Rating("zwei\r\nZeilen", -1.0, prompt="Wie war es?"),
        Rating("很好 👍🏽", -4.0, rater="李"),
    ]
    assert report.lines == [3, 6, 8]
    assert report.counts == {"rows": 3, "good": 3, "bad": 0, "blank": 3, "warnings": 0}
    assert report.bom


def test_a_row_of_empty_quoted_cells_is_as_many_blank_lines_as_it_takes(write):
    report = check_ratings(write('text,rating\n"\n\n",\nfine,1\n'))
    assert (report.counts["blank"], report.lines) == (3, [5])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found_even_if_the_texts_are_full_of_others(write, delimiter):
    others = "".join(set(",;\t|") - {delimiter})
    path = write(f"text{delimiter}rating\n{others * 9}{delimiter}1\n")
    assert read_ratings(path) == [Rating(others * 9, 1.0)]


def test_excels_delimiter_line(write):
    path = write("sep=;\ntext;rating\na,b;2\n;3\n")
    report = check_ratings(path)
    assert report.records == [Rating("a,b", 2.0)]
    assert where(report) == [(4, "text")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_other_encodings_of_spreadsheets(write, encoding):
    path = write("text\trating\n很好 👍\t3,5\n".encode(encoding), "ratings.txt")
    assert read_ratings(path) == [Rating("很好 👍", 3.5)]


def test_old_macintosh_line_ends(write):
    report = check_ratings(write("text,rating\ra,1\rb,x\r"))
    assert len(report.records) == 1
    assert where(report) == [(3, "rating")]


def test_line_numbers_are_those_of_an_editor(write):
    path = write(
        "\n"  # 1
        "text,rating\n"  # 2
        '"one\n\ntwo",1\n'  # 3 to 5
        "\n"  # 6
        "bad,x\n"  # 7
        '"three\nfour",y\n'  # 8, 9
        "\u2028\x0b\x85 is no line end,z\n"  # 10
        "good,2"  # 11
    )
    report = check_ratings(path)
    assert report.lines == [3, 11]
    assert where(report) == [(7, "rating"), (8, "rating"), (10, "rating")]


def test_the_message_names_file_line_finding_and_expectation(write):
    path = write("text,rating\n" * 1 + "a,1\nb,good\n")
    [problem] = check_ratings(path).problems
    assert str(problem) == (
        f"{path}:3: rating is 'good'; expected a number such as 3 or -1.5"
    )


@pytest.mark.parametrize(
    "rating",
    [
        "",
        " ",
        "good",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "1e999",
        "1_000",
        "3,5",
        "3/5",
        "--1",
        "0x1",
        "1 2",
        "٣x",
    ],
)
def test_csv_ratings_that_are_no_numbers(write, rating):
    path = write(f'text,rating\nfine,1\nbad,"{rating}"\n')
    report = check_ratings(path)
    assert where(report) == [(3, "rating")]
    assert report.counts["good"] == 1


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3),
        ("-1.5", -1.5),
        (" +2 ", 2),
        (".5", 0.5),
        ("4.", 4),
        ("1e-2", 0.01),
        ("−3", -3),
    ],
)
def test_csv_ratings_that_are(write, written, value):
    assert read_ratings(write(f"text,rating\na,{written}\n"))[0].rating == value


@pytest.mark.parametrize(
    "rating",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "true",
        "null",
        '"3"',
        "[3]",
        "{}",
        "1" + "0" * 400,
        "1" * 5000,
    ],
)
def test_json_ratings_that_are_no_numbers(write, rating):
    path = write(
        f'{{"text": "fine", "rating": 1}}\n{{"text": "bad", "rating": {rating}}}\n',
        "ratings.jsonl",
    )
    report = check_ratings(path)
    assert [p.line for p in report.problems] == [2]
    assert report.counts["good"] == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"text": "a", "rating": 1', "not JSON"),
        ("3", "3 is no object"),
        ('["a", 1]', "is no object"),
        ("null", "is no object"),
        ('{"text": "a", "rating": 1, "Text": "b"}', "'text' occurs twice"),
        ('{"text": "", "rating": 1}', "text is empty"),
        ('{"text": "  ", "rating": 1}', "text is empty"),
        ('{"text": 7, "rating": 1}', "text is 7; expected a string"),
        (
            '{"text": null, "rating": 1}',
            "text is null; expected a string; fill it in or delete the line",
        ),
        ('{"text": "a", "rating": true}', "rating is true"),
        ('{"rating": 1}', "text is missing"),
        ('{"text": "a"}', "rating is missing"),
        ('{"text": "a", "rating": 1, "prompt": ["x"]}', "prompt is ['x']"),
        ('{"text": "a", "rating": 1, "rater": true}', "rater is true"),
        ('{"text": "a", "rating": 1, "ratings": [1, "2"]}', "ratings is [1, '2']"),
        ('{"text": "\\ud800", "rating": 1}', "surrogate"),
        ('{"text": "a", "rating": 1, "rater": "\\udcff"}', "surrogate"),
        ("[" * 100_000, "not usable JSON"),
        ("{" * 3, "not JSON"),
    ],
)
def test_json_lines_that_are_wrong(write, line, found):
    good = '{"text": "fine", "rating": 1}'
    report = check_ratings(write(f"{good}\n\n{line}\n{good[:-1]}}}\n", "r.jsonl"))
    assert [p.line for p in report.problems] == [3]
    assert found in str(report.problems[0])
    assert (report.counts["good"], report.counts["bad"]) == (2, 1)


def test_json_fields_and_numbers_as_names(write):
    line = {
        "Text": "a",
        "rating": 2,
        "rater": 7,
        "id": "x",
        "prompt": "",
        "ratings": [1, 3],
    }
    path = write(json.dumps(line), "r.ndjson")
    assert read_ratings(path) == [Rating("a", 2.0, rater="7", id="x", ratings=(1, 3))]


def test_everything_that_is_wrong_is_found_in_one_pass(write):
    path = write('text,rating,rater\n,x,\na,1\nb,1,c,d\n"e" f,1,g\nh,nan,i\nfine,1,\n')
    report = check_ratings(path)
    assert where(report) == [
        (2, "text"),
        (2, "rating"),
        (3, None),
        (4, None),
        (5, None),
        (6, "rating"),
    ]
    assert report.counts == {"rows": 6, "good": 1, "bad": 5, "blank": 0, "warnings": 0}
    assert (
        "4 columns; expected 3, as in the header; put a text that contains ','"
        in str(report.problems[3])
    )


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ('text,rating\na,1\n"b,2\nc,3\n', 3, "never closed, so lines 3 to 4"),
        ('text,rating\n"b,2', 2, "never closed, so this line"),
        ('text,rating\n"a,1\nb,2\n"c" d,3\ne,4\n', 2, "so lines 2 to 4"),
    ],
)
def test_quotes_that_swallow_lines(write, content, line, found):
    report = check_ratings(write(content))
    assert report.problems[0].line == line
    assert found in str(report.problems[0])


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("text,score", "no column is named rating (found: 'text', 'score')"),
        ("Great film,3", "no column is named text"),
        ("text,rating, TEXT", "2 columns are named 'text'"),
    ],
)
def test_headers_that_are_wrong(write, header, found):
    report = check_ratings(write(f"{header}\n" + "a,1,b\n" * 3))
    assert found in str(report.problems[0])
    assert report.problems[0].line == 1


def test_unknown_columns_are_reported_once_and_not_dropped_silently(write):
    path = write("text,rating,Stars,when\na,1,2,3\nb,2,3,4\n")
    [warning] = check_ratings(path).warnings
    assert "columns are not known: 'Stars', 'when'" in str(warning)
    with pytest.warns(UserWarning, match="'Stars', 'when'"):
        read_ratings(path)
    lines = (
        '{"text": "a", "rating": 1}\n' + '{"text": "b", "rating": 1, "Stars": 2}\n' * 2
    )
    report = check_ratings(write(lines, "r.jsonl"))
    assert [(w.line, w.field) for w in report.warnings] == [(2, "columns"), (3, None)]


def test_repeated_and_contradictory_ratings_are_warnings(write):
    path = write(
        "text,rating,rater\na,1,Ada\na,1,Ada\na,2,Ada\na,2,Bob\nb,1,\nb,2,\nb,1,\n"
    )
    report = check_ratings(path)
    assert report.ok
    found = [(w.line, str(w)) for w in report.warnings]
    assert [line for line, _ in found] == [3, 4, 8]
    assert "in line 2" in found[0][1]
    assert "'Ada' gave the same text 1 in line 2" in found[1][1]
    assert "in line 6" in found[2][1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_ratings(path)) == 7


def test_bytes_that_are_not_utf8_spoil_their_row_only(write):
    path = write(b'text,rating\nfine,1\ncaf\xe9,2\n"two\nl\xefnes",3\nfine too,4\n')
    report = check_ratings(path)
    assert [r.rating for r in report.records] == [1, 4]
    assert [p.line for p in report.problems] == [3, 5]
    assert "byte 0xE9 in column 4 is not UTF-8" in str(report.problems[0])
    assert report.counts["bad"] == 2
    path = write(
        b'{"text": "caf\xe9", "rating": 1}\n{"text": "a", "rating": 1}', "r.jsonl"
    )
    report = check_ratings(path)
    assert [p.line for p in report.problems] == [1]
    assert len(report.records) == 1


@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz", "ratings"])
def test_gzip_is_known_by_its_content(write, name):
    path = write(gzip.compress(b"text,rating\na,1\n"), name)
    assert read_ratings(path) == [Rating("a", 1.0)]


@pytest.mark.parametrize("name", ["r.jsonl.gz", "r.json", "ratings"])
def test_json_lines_gzipped_or_not_with_any_name(write, name):
    plain = b'{"text": "a", "rating": 1}\n'
    assert read_ratings(write(plain, name)) == [Rating("a", 1.0)]
    assert read_ratings(write(gzip.compress(plain), name)) == [Rating("a", 1.0)]


def test_a_truncated_gzip_file_says_where(write):
    lines = "".join(
        json.dumps({"text": f"text {i * 7919}", "rating": i}) + "\n" for i in range(999)
    )
    whole = gzip.compress(lines.encode())
    report = check_ratings(write(whole[: len(whole) // 2], "r.jsonl.gz"))
    [problem] = report.problems
    assert problem.fatal
    assert 100 < len(report.records) < 999
    assert problem.line == len(report.records) + 1
    assert "breaks off" in str(problem)
    start = check_ratings(write(gzip.compress(b"text,rating\na,1\n")[:14], "r.csv.gz"))
    assert start.counts["rows"] == 0
    assert "breaks off" in str(start.problems[0])
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 0xFF
    assert not check_ratings(write(bytes(broken), "r.jsonl.gz")).ok


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf \n\n", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (b"text,rating\n", "a header and no rows"),
        (b"PK\x03\x04rest", "a workbook"),
        ("text,rating\na,1\n".encode("utf-16-le"), "UTF-16 without its mark"),
        (b"\xff\xfea", "is not UTF-16"),
    ],
)
def test_files_that_are_no_ratings_at_all(write, content, found):
    report = check_ratings(write(content))
    [problem] = report.problems
    assert found in str(problem)
    assert problem.fatal


def test_a_json_list_is_one_problem(write):
    report = check_ratings(write('[\n{"text": "a",\n"rating": 1}\n]\n', "r.json"))
    assert len(report.problems) == 1
    assert "one object a line" in str(report.problems[0])


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(RmkerasError, match=r"no-such\.csv: no such file"):
        read_ratings(tmp_path / "no-such.csv")
    with pytest.raises(RmkerasError, match="this is a folder"):
        read_ratings(tmp_path)


def test_reading_refuses_with_a_list_that_has_an_end(write):
    path = write("text,rating\n" + "a,x\n" * 100)
    with pytest.raises(RmkerasError) as caught:
        read_ratings(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[0].startswith(f"{path}:2: rating is 'x'")
    assert lines[-1].startswith("... and 80 more")


def test_a_text_longer_than_the_csv_modules_limit(write):
    import csv

    before = 131_072
    csv.field_size_limit(before)
    assert (
        len(read_ratings(write(f"text,rating\n{'a' * 300_000},1\n"))[0].text) == 300_000
    )
    assert csv.field_size_limit() == before
