"""Every type of feedback file: reading, messages, writing, streaming."""

import json
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from rmkeras.data import (
    ChatTemplate,
    Preference,
    PromptCompletion,
    Rating,
    Stepwise,
    Text,
    UnpairedPreference,
    check_records,
    iter_records,
    read_records,
    record_type,
    write_records,
)
from rmkeras.errors import RmkerasError

SHARED = Path(__file__).parents[3] / "shared" / "data"

ONE_OF_EACH = {
    "rating": Rating("a", 3.0, prompt="p"),
    "preference": Preference(
        " a", "b", "p", 0.5, 0.75, source="s", rater="r", aspect="x", id="7"
    ),
    "unpaired-preference": UnpairedPreference("p", "a", False),
    "stepwise": Stepwise("p", ("a, 1", 'b "2"'), (True, False)),
    "prompt-completion": PromptCompletion("p", "a\n\nb"),
    "text": Text("a"),
}


@pytest.fixture
def write(tmp_path):
    def write(*rows, name="r.jsonl"):
        path = tmp_path / name
        lines = [r if isinstance(r, str) else json.dumps(r) for r in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def said(path, **options):
    """The one complaint about a file, without the file's name."""
    [problem] = check_records(path, **options).problems
    return str(problem).removeprefix(str(path))


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz", "r.csv", "r.csv.gz"])
@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_what_is_written_is_read(tmp_path, kind, name):
    path, record = tmp_path / name, ONE_OF_EACH[kind]
    assert write_records(path, iter([record])) == 1
    assert read_records(path) == [record]
    assert list(iter_records(path, kind)) == [record]
    assert record_type(path) == kind == check_records(path).type


text = st.text(max_size=30).filter(lambda t: t.strip() and not t.startswith("["))
pairs = st.tuples(text, text).filter(lambda p: p[0].strip() != p[1].strip())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(pairs, st.text(max_size=9), st.floats(-9, 9)), min_size=1))
def test_comparisons_survive_writing_whatever_they_contain(tmp_path_factory, rows):
    records = [Preference(c, r, p, m) for (c, r), p, m in rows]
    for name in ("r.jsonl", "r.csv"):
        path = tmp_path_factory.mktemp("w") / name
        write_records(path, records)
        assert read_records(path) == records


def test_a_file_holds_one_type(tmp_path):
    with pytest.raises(RmkerasError, match="record 2 is a Text, the first one a Rat"):
        write_records(tmp_path / "r.jsonl", [Rating("a", 1.0), Text("b")])
    assert list(tmp_path.iterdir()) == []


def test_the_type_is_what_the_fields_say(write):
    assert record_type(write({"text": "a"}, {"text": "b", "rating": 1})) == "rating"
    assert record_type(write({"completion": "a", "text": "b"})) == "prompt-completion"
    assert record_type(write("completion,Label\na,1", name="r.csv")) == (
        "unpaired-preference"
    )
    with pytest.raises(RmkerasError, match=r"r\.jsonl:1: no type .*'answer', 'score'"):
        record_type(write({"answer": "a", "score": 1}))
    with pytest.raises(RmkerasError, match=r"r\.csv:1: no type .*preference: chosen"):
        read_records(write("answer,score\na,1", name="r.csv"))
    with pytest.raises(RmkerasError, match="no record type 'pairs'; expected one of"):
        read_records(write({"text": "a"}), type="pairs")
    with pytest.raises(RmkerasError, match="no such file"):
        record_type("nowhere.jsonl")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"chosen": "a", "rejected": "a "},
            ":1: rejected is the same as chosen; expected another answer; such a pair "
            "says nothing; delete it",
        ),
        (
            {"prompt": "p", "chosen": "a", "rejected": " "},
            ":1: rejected is empty; expected the other answer; fill it in or delete it",
        ),
        (
            {
                "chosen": "\n\nHuman: q\n\nAssistant:",
                "rejected": "\n\nHuman: q\n\nAssistant: a",
            },
            ":1: chosen is empty after the prompt; expected an answer; fill it in or "
            "delete it",
        ),
        ({"chosen": "a"}, ":1: rejected is missing; expected the other answer"),
        (
            {"chosen": "a", "rejected": 7},
            ":1: rejected is 7; expected a string; put it in double quotes",
        ),
        (
            {"chosen": "a", "rejected": [{"role": "assistant", "content": "b"}]},
            ":1: rejected is a list of messages; expected the same kind as chosen",
        ),
        (
            '{"chosen": "a", "rejected": "b", "margin": NaN}',
            ":1: margin is nan; expected a number such as 3 or -1.5",
        ),
        (
            {"chosen": "a", "rejected": "b", "margin": "2"},
            ":1: margin is '2'; expected a number such as 3 or -1.5; write it without "
            "quotes",
        ),
        (
            {"chosen": "a", "rejected": "b", "probability": 1.5},
            ":1: probability is 1.5; expected a share from 0 to 1",
        ),
        (
            '{"text": "a", "rating": NaN}',
            ":1: rating is nan; expected a number such as 3 or -1.5",
        ),
        (
            {"prompt": "p", "completion": "a", "label": "good"},
            ":1: label is 'good'; expected true or false",
        ),
        (
            {"completion": "a", "label": True},
            ":1: prompt is missing; expected what is answered",
        ),
        (
            {"prompt": "p", "completion": ""},
            ":1: completion is empty; expected the answer; fill it in or delete it",
        ),
        (
            {"prompt": "p", "completions": ["a", ""], "labels": [True, False]},
            ":1: completions is a list whose step 2 is ''; expected a string that is "
            "not empty",
        ),
        (
            {"prompt": "p", "completions": ["a", "b"], "labels": [True]},
            ":1: labels is a list of 1; expected 2, one a step",
        ),
        (
            {"prompt": "p", "completions": ["a"], "labels": [0.5]},
            ":1: labels is a list whose label 1 is 0.5; expected true or false",
        ),
        (
            {"prompt": "p", "completions": [], "labels": []},
            ":1: completions is an empty list; expected at least one step",
        ),
        (
            {"text": "\n"},
            ":1: text is empty; expected some text; fill it in or delete it",
        ),
        (
            {"text": [{"role": "tool", "content": "a"}]},
            ":1: text is a list whose message 1 has the unknown role 'tool'; expected "
            "one of 'system', 'user', 'assistant'; give the role a format in the chat "
            "template",
        ),
        (
            {"text": [{"role": "user"}]},
            ":1: text is a list whose message 1 has no content; expected a role and a "
            "content in each",
        ),
        (
            {"text": [{"role": "user", "content": None}]},
            ":1: text is a list whose message 1 has the content null; expected a string",
        ),
        (
            {"text": [{"role": ["user"], "content": ""}]},
            ":1: text is a list whose message 1 has the unknown role ['user']; expected "
            "one of 'system', 'user', 'assistant'; give the role a format in the chat "
            "template",
        ),
    ],
)
def test_each_mistake_has_its_message(write, row, message):
    assert said(write(row)) == message


def test_a_conversation_whose_last_message_is_empty_has_no_answer(write):
    q, tail = (
        {"role": "user", "content": "q"},
        ChatTemplate(assistant="<a>{content}</a>"),
    )
    sides = [[q, {"role": "assistant", "content": c}] for c in ("", "b")]
    path = write({"chosen": sides[0], "rejected": sides[1]})
    assert "chosen is empty after the prompt" in said(path, template=tail)


def test_bytes_that_are_not_utf8_name_line_and_byte(tmp_path):
    path = tmp_path / "r.jsonl"
    good = b'{"chosen": "a", "rejected": "b"}\n'
    path.write_bytes(good + b'{"chosen": "caf\xe9", "rejected": "b"}\n' + good)
    report = check_records(path)
    assert report.counts["good"] == 2
    [problem] = report.problems
    assert (problem.line, problem.found) == (2, "byte 0xE9 in column 16 is not UTF-8")


@pytest.mark.parametrize("name", ["r.jsonl", "r.csv"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_that_is_too_long_is_left_out_and_the_rest_is_checked(
    tmp_path, monkeypatch, name, end
):
    for module in ("source", "rows"):
        monkeypatch.setattr(f"rmkeras.data.{module}.MAX_LINE", 100)
    for piece in (1, 7, 13):  # Cuts between \r and \n as well.
        monkeypatch.setattr("rmkeras.data.source._PIECE", piece)
        for length in (84, 85, 86, 140):
            row = '{"text": "%s"}' if name == "r.jsonl" else "%s"
            rows = [row % "a", row % ("b" * length), "", row % "c", row % ""]
            if name == "r.csv":
                rows = ["text", *rows[:-1]]
            path = tmp_path / name
            path.write_bytes(end.join([*rows, ""]).encode())
            report = check_records(path)
            first = 2 if name == "r.jsonl" else 3
            long = len((row % ("b" * length)) + end) > 100
            lines = [p.line for p in report.problems]
            last = [first + 3] * (name == "r.jsonl")
            assert lines == [first] * long + last
            assert [r.text[0] for r in report.records] == ["a", "c"] if long else "abc"
            assert report.counts["blank"] == 1
            if long:
                assert "at most 100 a line" in str(report.problems[0])
                assert report.counts["bad"] == 1 + len(last)


def test_a_quote_that_swallows_everything_stops_at_the_limit(write, monkeypatch):
    for module in ("source", "rows"):
        monkeypatch.setattr(f"rmkeras.data.{module}.MAX_LINE", 50)
    path = write("text", '"open', *["a line"] * 20, name="r.csv")
    report = check_records(path)
    assert "a cell has more than 50 characters, so lines 2 to" in str(
        report.problems[0]
    )
    assert report.problems[0].fatal


def test_chat_messages_become_a_prompt_and_two_answers(write):
    system = {"role": "system", "content": "Be kind."}
    q, a = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
    b = {"role": "assistant", "content": "b"}
    wanted = Preference(" a", " b", "Be kind.\n\nHuman: q\n\nAssistant:")
    rows = [
        {"chosen": [system, q, a], "rejected": [system, q, b]},
        {"prompt": [system, q], "chosen": [a], "rejected": [b]},
        {"prompt": [system, q], "chosen": "a", "rejected": "b"},
        {"prompt": [system, q], "chosen": [system, q, a], "rejected": [system, q, b]},
        {"prompt": "q", "chosen": [system, q, a], "rejected": [system, q, b]},
    ]
    assert read_records(write(*rows)) == [wanted] * 5
    cells = "\n".join(
        ",".join('"' + json.dumps(side).replace('"', '""') + '"' for side in sides)
        for sides in ([[system, q, a], [system, q, b]],)
    )
    assert read_records(write("chosen,rejected", cells, name="r.csv")) == [wanted]
    [bare] = read_records(write({"prompt": "q", "chosen": [a], "rejected": [b]}))
    assert bare.prompt == "\n\nHuman: q\n\nAssistant:"


def test_other_types_take_messages_too(write):
    q, a = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
    head = "\n\nHuman: q\n\nAssistant:"
    for completion in ([a], "a"):
        row = {"prompt": [q], "completion": completion}
        assert read_records(write(row)) == [PromptCompletion(head, " a")]
        assert read_records(write({**row, "label": 1})) == [
            UnpairedPreference(head, " a", True)
        ]
    assert read_records(write({"text": [q, a]})) == [Text(head + " a")]
    assert read_records(write({"text": [a], "prompt": [q], "rating": 1})) == [
        Rating("\n\nAssistant: a", 1.0, prompt="\n\nHuman: q")
    ]
    steps = {"prompt": [q], "completions": ["a"], "labels": [True]}
    assert read_records(write(steps)) == [Stepwise(head, ("a",), (True,))]


def test_a_template_of_the_users(write, tmp_path):
    template = {
        "user": "<u>{content}</u>",
        "assistant": "<a>{content}</a>",
        "tool": "{content}!",
    }
    path = tmp_path / "template.json"
    path.write_text(json.dumps(template))
    loaded = ChatTemplate.load(path)
    assert loaded == ChatTemplate(**template)
    messages = [{"role": r, "content": "{x}"} for r in ("user", "tool", "assistant")]
    other = [*messages[:2], {"role": "assistant", "content": "y"}]
    pair = write({"chosen": messages, "rejected": other})
    assert read_records(pair, template=loaded) == [
        Preference("{x}</a>", "y</a>", "<u>{x}</u>{x}!<a>")
    ]
