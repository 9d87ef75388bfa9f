"""Exports of Label Studio and Argilla become records, and errors name the place."""

import copy
import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.cli import main
from rmkeras.data import check_records, iter_records, read_records, record_type
from rmkeras.errors import RmkerasError

TWO = {"prompt": "2 + 2?", "answer1": "4", "answer2": "5"}


def result(kind, value, to="answer1,answer2", name="pw"):
    return {"type": kind, "value": value, "to_name": to, "from_name": name, "id": "x"}


def task(data, *results, rater=7, **more):
    annotation = {"id": 1, "completed_by": rater, "was_cancelled": False}
    annotation |= {"result": list(results), "lead_time": 3.2, **more}
    return {"id": 11, "data": data, "annotations": [annotation], "predictions": []}


LABEL_STUDIO = [
    task(TWO, result("pairwise", {"selected": "right"})),
    # Older versions name the control itself; the rater may be an object.
    task(
        {"prompt": "3 + 3?", "text1": "6", "text2": "7"},
        result("pairwise", {"selected": "left"}, to="pw"),
        rater={"id": 2, "email": "ada@example.org"},
    ),
    task(TWO, result("pairwise", {"selected": "left"}), was_cancelled=True),
    task(
        {
            "prompt": "Name one.",
            "items": [
                {"id": "a", "body": "A"},
                {"id": "b", "body": "B"},
                {"id": "c", "title": "C"},
            ],
        },
        result("ranker", {"ranker": {"rank": ["b", "c", "a"]}}, to="items"),
    ),
    task(
        {"question": "Why?", "text": "So."},
        result("rating", {"rating": 4}, to="txt", name="fluent"),
        result("number", {"number": 2.5}, to="txt", name="rating"),
        result("textarea", {"text": ["Because."]}, to="txt", name="better"),
        result("choices", {"choices": ["x"]}, to="txt", name="c"),
    ),
]

FIELDS = {"prompt": "2 + 2?", "response_1": "4", "response_2": "5"}
ARGILLA = [
    {
        "id": "r1",
        "fields": FIELDS,
        "metadata": {},
        "suggestions": {"better": {"value": "response_2", "score": 1, "agent": "m"}},
        "responses": {
            "better": [
                {"value": "response_1", "user_id": "u1"},
                {"value": "tie", "user_id": "u2"},
            ],
            "order": [{"value": ["response_2", "response_1"], "user_id": "u3"}],
        },
        "vectors": {},
        "_server_id": "s1",
    },
    {
        "id": "r2",
        "fields": FIELDS,
        "suggestions": {"better": {"value": "response_1"}},
        "responses": {},
    },
]
FLAT = [
    {
        "id": "f1",
        "status": "completed",
        "instruction": "Say hello.",
        "response": "Hello.",
        "fluent.responses": [5, 2, 1],
        "fluent.responses.users": ["u1", "u2", "u3"],
        "fluent.responses.status": ["submitted", "discarded", "submitted"],
        "fluent.suggestion": 3,
        "good.responses": ["yes"],
        "good.responses.users": ["u1"],
        "good.responses.status": ["submitted"],
    }
]
OLD = [
    {
        "fields": {"prompt": "Pick.", "reply-1": "A", "reply-2": "B", "reply-3": "C"},
        "external_id": "o1",
        "responses": [
            {
                "user_id": "u1",
                "status": "submitted",
                "values": {
                    "rank": {
                        "value": [
                            {"value": "reply-2", "rank": 1},
                            {"value": "reply-1", "rank": 2},
                            {"value": "reply-3", "rank": 2},
                        ]
                    }
                },
            },
            {"user_id": "u2", "status": "draft", "values": {"rank": {"value": 3}}},
        ],
    }
]
OLD_TABLE = [
    {
        "prompt": "Say hello.",
        "text": "Hello.",
        "quality": {"user_id": ["u1"], "value": [4], "status": ["submitted"]},
        "quality-suggestion": None,
        "quality-suggestion-metadata": {"type": None},
        "external_id": "t1",
        "metadata": "{}",
    }
]


def write(tmp_path, records, name="export.json"):
    path = tmp_path / name
    if name.endswith("jsonl"):
        path.write_text("\n".join(map(json.dumps, records)))
    else:
        path.write_text(json.dumps(records))
    return path


def quiet(path, kind=None):
    report = check_records(path, kind)
    report.raise_if_bad()
    return report.records


def test_label_studio_comparisons_and_rankings(tmp_path):
    path = write(tmp_path, LABEL_STUDIO)
    assert record_type(path) == "preference"
    with pytest.warns(UserWarning, match="left out: 1 skipped by the rater, .* 2 of type rating"):  # fmt: skip
        records = read_records(path)
    assert [(r.prompt, r.chosen, r.rejected, r.rater) for r in records] == [
        ("2 + 2?", "5", "4", "7"),
        ("3 + 3?", "6", "7", "ada@example.org"),
        ("Name one.", "B", "C", "7"),
        ("Name one.", "B", "A", "7"),
        ("Name one.", "C", "A", "7"),
    ]
    assert {r.id for r in records} == {"11"}


def test_label_studio_ratings_and_texts(tmp_path):
    path = write(tmp_path, LABEL_STUDIO)
    fluent, plain = quiet(path, "rating")
    assert (fluent.text, fluent.rating, fluent.aspect, fluent.prompt, fluent.rater) == (
        "So.", 4, "fluent", "Why?", "7",
    )  # fmt: skip
    assert (plain.rating, plain.aspect) == (2.5, None)
    [better] = quiet(path, "prompt-completion")
    assert (better.prompt, better.completion) == ("Why?", "Because.")


def test_argilla_comparisons(tmp_path):
    path = write(tmp_path, ARGILLA)
    with pytest.warns(UserWarning, match="left out: 1 suggested by a model only"):
        one, tie, order = read_records(path)
    assert (one.chosen, one.rejected, one.prompt, one.rater, one.id) == (
        "4", "5", "2 + 2?", "u1", "r1",
    )  # fmt: skip
    assert (tie.probability, tie.rater) == (0.5, "u2")
    assert (order.chosen, order.rejected, order.rater) == ("5", "4", "u3")


@pytest.mark.parametrize("name", ["export.json", "export.jsonl"])
def test_argilla_flat(tmp_path, name):
    path = write(tmp_path, FLAT, name)
    five, one = quiet(path)
    assert (five.text, five.rating, five.aspect, five.prompt, five.rater) == (
        "Hello.", 5, "fluent", "Say hello.", "u1",
    )  # fmt: skip
    assert (one.rating, one.rater) == (1, "u3")
    [label] = quiet(path, "unpaired-preference")
    assert (label.prompt, label.completion, label.label) == (
        "Say hello.",
        "Hello.",
        True,
    )


def test_argilla_1(tmp_path):
    report = check_records(write(tmp_path, OLD))
    assert [(r.chosen, r.rejected, r.probability) for r in report.records] == [
        ("B", "A", 1), ("B", "C", 1), ("A", "C", 0.5),
    ]  # fmt: skip
    assert {(r.rater, r.id) for r in report.records} == {("u1", "o1")}
    assert "1 draft by the rater" in str(report.warnings[0])
    [rating] = quiet(write(tmp_path, OLD_TABLE, "table.jsonl"))
    assert (rating.text, rating.rating, rating.aspect, rating.id) == (
        "Hello.", 4, "quality", "t1",
    )  # fmt: skip


def test_gzip_and_one_record_at_a_time(tmp_path):
    path = tmp_path / "export.json.gz"
    path.write_bytes(gzip.compress(json.dumps(ARGILLA).encode()))
    with pytest.warns(UserWarning):
        assert [r.chosen for r in iter_records(path)] == ["4", "4", "5"]


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85"])
def test_json_lines_end_at_newlines_only(tmp_path, odd):
    # `str.splitlines` would also split here, and JSON may hold it as it is.
    record = task(
        {"question": "Why?", "text": f"So{odd}so."},
        result("rating", {"rating": 4}, to="txt", name="fluent"),
    )
    path = tmp_path / "export.jsonl"
    line = json.dumps(record, ensure_ascii=False)
    path.write_bytes(f"{line}\r\n{line}\n".encode())
    assert [r.text for r in quiet(path)] == [f"So{odd}so."] * 2


def broken(records, number, *where):
    """A copy of the records with a value replaced."""
    records = copy.deepcopy(records)
    *path, value = where
    at = records[number]
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return records


first = ("annotations", 0)
CASES = [
    (
        broken(LABEL_STUDIO, 1, *first, "result", 0, "value", {"selected": "up"}),
        "record 2: annotations[1].result[1].value.selected is 'up'; expected left or right",
    ),
    (
        broken(LABEL_STUDIO, 3, *first, "result", 0, "value", {"ranker": ["a", "z"]}),
        "record 4: annotations[1].result[1].value.ranker is 'z'; expected two or more of a, b, c",
    ),
    (
        broken(LABEL_STUDIO, 3, *first, "result", 0, "value", {"ranker": {"good": ["a"], "bad": ["b"]}}),
        "expected one list of ids, the best first; buckets have no order",
    ),
    (
        broken(LABEL_STUDIO, 0, "data", {"prompt": "?", "x": "1", "y": "2", "z": "3"}),
        "record 1: data is x, y, z; expected two texts to compare, such as answer_1 and",
    ),
    (broken(LABEL_STUDIO, 0, "data", 3), "record 1: data is 3; expected an object"),
    (broken(LABEL_STUDIO, 2, "annotations", None), "record 3: annotations is null"),
    (broken(LABEL_STUDIO, 0, *first, "result", 3), "annotations[1].result is 3"),
    (
        broken(LABEL_STUDIO, 0, "data", "answer1", "5"),
        "record 1: rejected is the same as chosen",
    ),
    (
        broken(ARGILLA, 0, "responses", "better", 0, {"user_id": "u"}),
        "record 1: responses.better[1] is {'user_id': 'u'}; expected an object with value",
    ),
    (
        broken(ARGILLA, 0, "responses", "order", 0, "value", ["response_1", "response_9"]),
        "record 1: responses.order is 'response_9'; expected two or more of the fields",
    ),
    (
        broken(ARGILLA, 0, "responses", "better", 0, "value", {"x": 1}),
        "record 1: responses.better is {'x': 1}; expected a number, a label or a ranking",
    ),
    (
        broken(FLAT, 0, "fluent.responses.users", ["u1"]),
        "fluent.responses is lists of 3, 1 and 3; expected as many values as users",
    ),
    ([*ARGILLA, "x"], "record 3: 'x'; expected an object"),
    (
        [{"id": 1, "annotation_id": 2, "annotator": 1, "text1": "a", "pw": "left"}],
        'Label Studio\'s short JSON; expected its full JSON; choose "JSON" when you',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("records", "message"), CASES)
def test_what_is_wrong_is_named_with_its_record(tmp_path, records, message):
    path = write(tmp_path, records)
    kind = "rating" if records[0].get("id") == "f1" else None
    with pytest.raises(RmkerasError) as caught:
        read_records(path, kind)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_good_records_beside_bad_ones_are_kept(tmp_path):
    path = write(tmp_path, CASES[0][0])
    report = check_records(path)
    assert report.counts["bad"] == 1 and report.counts["good"] == 4
    with pytest.warns(UserWarning):
        assert len(read_records(path, skip_bad=True)) == 4


def test_an_export_without_feedback_says_so(tmp_path):
    path = write(tmp_path, [ARGILLA[1]])
    with pytest.raises(RmkerasError, match=r"without answers of type preference .left out: 1 suggested"):  # fmt: skip
        read_records(path)
    path = write(tmp_path, FLAT, "flat.json")
    with pytest.raises(RmkerasError, match="without answers of type preference"):
        read_records(path, "preference")


def test_other_json_is_read_as_before(tmp_path):
    path = write(tmp_path, [{"text": "So.", "rating": 3}])
    with pytest.raises(RmkerasError, match="one JSON list"):
        read_records(path)
    # A text may name what exports have.
    text = 'a "responses" and "annotations"'
    path = write(tmp_path, [{"text": text, "rating": 3}], "ours.jsonl")
    assert read_records(path)[0].text == text


junk = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=3),
    st.just([]), st.just({}), st.just([[1]]), st.just({"value": [1]}), st.just([{}]),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_stands_there_ends_in_records_or_one_message(tmp_path_factory, data):
    records = copy.deepcopy(data.draw(st.sampled_from([LABEL_STUDIO, ARGILLA, FLAT, OLD, OLD_TABLE])))  # fmt: skip
    at = records
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))  # fmt: skip
        inner = at[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            at[key] = data.draw(junk)
            break
        at = inner
    path = write(tmp_path_factory.getbasetemp(), records, "junk.json")
    for kind in (None, "rating", "prompt-completion"):
        report = check_records(path, kind)
        assert all(p.expected or p.fatal for p in report.problems)


def test_the_commands_take_exports(tmp_path, capsys):
    path = write(tmp_path, LABEL_STUDIO)
    assert main(["data", "check", str(path)]) == 0
    assert "5 preference rows, 5 good" in capsys.readouterr().out
    out = tmp_path / "pairs.jsonl"
    assert main(["data", "clean", str(path), "--out", str(out)]) == 0
    assert [r.chosen for r in read_records(out)] == ["5", "6", "B", "B", "C"]
    bad = write(tmp_path, CASES[0][0], "bad.json")
    assert main(["data", "check", str(bad)]) == 2
    assert "bad.json, record 2: annotations[1]" in capsys.readouterr().err
