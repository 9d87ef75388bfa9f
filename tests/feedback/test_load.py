"""Items out of feedback files, and answers back into them."""

import json

import pytest

from rmkeras.data import read_records, write_records
from rmkeras.errors import RmkerasError
from rmkeras.feedback import Item, Store, export_records
from rmkeras.feedback.bring import import_answers
from rmkeras.feedback.export import export_answers, write_answers
from rmkeras.feedback.load import read_items


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf8")
    return path


def test_comparisons_become_items_without_their_verdict(tmp_path):
    path = write(
        tmp_path / "f.jsonl",
        {"prompt": "p", "chosen": "a", "rejected": "b", "source": "s", "id": "7"},
        {"prompt": "p", "chosen": "a", "rejected": "b"},
    )
    (item,) = read_items(path)
    assert item == Item("compare", ("a", "b"), "p", source="s", source_id="7")
    (gold,) = read_items(path, gold=True)
    assert gold.gold == {"choice": "first"}
    texts = [item.texts for item in read_items(path, "edit")]
    assert texts == [("a",), ("b",)]


def test_answers_to_one_prompt_are_compared_or_ranked(tmp_path):
    rows = [{"prompt": "p", "completion": c} for c in "abcdefg"]
    path = write(tmp_path / "f.jsonl", *rows, {"prompt": "q", "completion": "x"})
    said = []
    pairs = read_items(path, say=said.append)
    assert [i.texts for i in pairs] == [("a", "b"), ("c", "d"), ("e", "f")]
    assert "2 answers" in said[0]
    ranks = read_items(path, "rank")
    assert [i.texts for i in ranks] == [tuple("abcd"), tuple("efg")]


def test_our_own_rows(tmp_path):
    path = write(
        tmp_path / "f.jsonl",
        {"texts": ["a", "b"], "prompt": "p", "gold": {"choice": "second"}},
        {"texts": ["a", "b", "c"], "aspect": "funny", "id": 3},
        {"texts": ["a"], "task": "edit"},
    )
    first, second, third = read_items(path, gold=True)
    assert first.gold == {"choice": "second"}
    assert (second.task, second.aspect, second.source_id) == ("rank", "funny", "3")
    assert third.task == "edit"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"texts": "a"}], "f.jsonl:1: texts"),
        ([{"texts": ["a"]}, {"texts": [1]}], "f.jsonl:2: texts"),
        ([{"chosen": "a", "rejected": "a"}], "same as chosen"),
        ([{"nothing": 1}], "no type of feedback"),
    ],
)
def test_bad_files_are_named(tmp_path, rows, words):
    path = write(tmp_path / "f.jsonl", *rows)
    with pytest.raises(RmkerasError, match=words):
        read_items(path)
    with pytest.raises(RmkerasError):
        read_items(tmp_path / "missing.jsonl")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db") as store:
        store.add_items(
            [
                Item("compare", ("a", "b"), "p", source="s", source_id="1"),
                Item("rank", ("x", "y", "z"), "q"),
                Item("edit", ("teh",), "r"),
                Item("rate", ("good",), "p"),
                Item("compare", ("g", "h"), gold={"choice": "first"}),
            ]
        )
        yield store


ANSWERS = {
    1: {"choice": "second"},
    2: {"ranking": [2, 0, 1]},
    3: {"text": "the"},
    4: {"ratings": {"truthful": 5, "fluent": 4, "creative": 3, "harmless": 1}},
    5: {"choice": "first"},
}


def test_every_task_becomes_records_that_are_read_again(store, tmp_path):
    ada = store.rater("Ada")
    for number, value in ANSWERS.items():
        store.record(ada, number, value)
    out = tmp_path / "out.jsonl"
    write_records(out, export_records(store, "preference"))
    pairs = [(p.prompt, p.chosen, p.rejected, p.rater) for p in read_records(out)]
    assert pairs == [
        ("p", "b", "a", "Ada"),
        ("q", "z", "x", "Ada"),
        ("q", "z", "y", "Ada"),
        ("q", "x", "y", "Ada"),
        ("r", "the", "teh", "Ada"),
    ]
    write_records(out, export_records(store, "rating"))
    ratings = {r.aspect: r.rating for r in read_records(out)}
    assert ratings == {"truthful": 5, "fluent": 4, "creative": 3, "harmless": 1}
    labels = [
        (u.completion, u.label) for u in export_records(store, "unpaired-preference")
    ]
    assert labels == [("a", False), ("b", True)]
    (mended,) = export_records(store, "prompt-completion")
    assert mended.to_dict() == {"prompt": "r", "completion": "the"}
    assert len(list(export_records(store, "preference", gold=True))) == 6
    with pytest.raises(RmkerasError, match="cannot become"):
        list(export_records(store, "text"))


def test_ties_bad_pairs_and_undone_answers(store):
    for name, value in (
        ("Ada", {"choice": "tie"}),
        ("Bob", {"choice": "bad"}),
        ("Eve", {"skip": True}),
        ("Dan", {"choice": "first"}),
    ):
        store.record(store.rater(name), 1, value)
    store.undo(store.rater("Dan"))
    (tie,) = export_records(store, "preference")
    assert tie.probability == 0.5 and tie.rater == "Ada"
    bad = list(export_records(store, "unpaired-preference"))
    assert [u.label for u in bad] == [False, False]
    everything = list(export_answers(store, anonymous=True))
    assert [row["rater"] for row in everything] == [f"rater-{i}" for i in range(1, 5)]
    assert everything[3]["undone"] is not None


def test_everything_is_written_as_json_lines_only(store, tmp_path):
    store.record(store.rater("Ada"), 1, {"choice": "tie"})
    out = tmp_path / "all.jsonl"
    assert write_answers(out, export_answers(store)) == 1
    row = json.loads(out.read_text())
    assert row["item"]["texts"] == ["a", "b"] and row["value"] == {"choice": "tie"}
    with pytest.raises(RmkerasError, match="jsonl"):
        write_answers(tmp_path / "all.csv", export_answers(store))


def test_judgements_are_taken_in_once_whichever_side_stands_first(store, tmp_path):
    path = write(
        tmp_path / "f.jsonl",
        {"prompt": "p", "chosen": "b", "rejected": "a", "rater": "Ada"},
        {"prompt": "p", "chosen": "a", "rejected": "b", "rater": "Bob"},
        {"prompt": "p", "chosen": "a", "rejected": "b", "probability": 0.5},
        {"prompt": "p", "chosen": "new", "rejected": "b", "rater": "Ada"},
    )
    counts = import_answers(store, path)
    assert counts == {"answers": 4, "known": 0, "conflicts": 0, "items": 1}
    said = [(a.item, a.rater, a.value["choice"]) for a in store.answers()]
    assert said[:3] == [
        (1, "Ada", "second"),
        (1, "Bob", "first"),
        (1, "imported", "tie"),
    ]
    assert import_answers(store, path)["known"] == 4
    turned = write(
        tmp_path / "g.jsonl",
        {"prompt": "p", "chosen": "a", "rejected": "b", "rater": "Ada"},
    )
    assert import_answers(store, turned)["conflicts"] == 1
    assert len(store.answers()) == 4


def test_ratings_of_one_text_are_one_answer(store, tmp_path):
    store.set_plan(aspects=("fluent", "kind"))
    rows = [
        {"text": "good", "prompt": "p", "rating": r, "aspect": a, "rater": "Ada"}
        for a, r in (("fluent", 4), ("kind", 2))
    ]
    path = write(tmp_path / "f.jsonl", *rows)
    assert import_answers(store, path)["answers"] == 1
    (answer,) = store.answers()
    assert answer.item == 4 and answer.value == {"ratings": {"fluent": 4, "kind": 2}}
    bad = write(tmp_path / "g.jsonl", rows[0] | {"rating": 9, "text": "other"})
    with pytest.raises(RmkerasError, match=r"g.jsonl:1: rater 'Ada': fluent is 9"):
        import_answers(store, bad)
    assert len(list(store.items())) == 5


def test_an_export_goes_into_another_store(store, tmp_path):
    store.record(store.rater("Ada"), 1, ANSWERS[1])
    out = tmp_path / "out.jsonl"
    write_records(out, export_records(store, "preference"))
    with Store(tmp_path / "other.db") as other:
        assert import_answers(other, out)["answers"] == 1
        again = [r.to_dict() for r in export_records(other)]
    assert again == [r.to_dict() for r in export_records(store, "preference")]


def refused(store, path):
    with pytest.raises(RmkerasError) as caught:
        import_answers(store, path)
    return str(caught.value)


def test_a_refused_rating_names_line_rater_and_remedy(store, tmp_path):
    rows = [
        {"text": "a", "rating": 4, "aspect": "fluent", "rater": "Ada"},
        {"text": "a", "rating": 1, "rater": "Ada"},
        {"text": "b", "rating": 2, "aspect": "fluent", "rater": "Bob"},
        {"text": "b", "rating": -2.5, "rater": "Bob"},
    ]
    path = write(tmp_path / "f.jsonl", *rows)
    said = refused(store, path)
    assert "f.jsonl:2: rater 'Ada': aspect 'overall' is unknown" in said
    assert "add --aspects fluent,overall --scale=-3,4 (or" in said
    store.set_plan(aspects=("fluent", "overall"))
    said = refused(store, path)
    assert "f.jsonl:4: rater 'Bob': overall is -2.5" in said and "--aspects" not in said
    said = refused(store, write(tmp_path / "g.jsonl", *rows[2:3]))
    assert "g.jsonl:1: rater 'Bob': no rating for overall" in said
    assert said.endswith("add --aspects fluent")
    store.set_plan(scale=(-3, 4))
    assert import_answers(store, path)["answers"] == 2
    other = write(tmp_path / "g.jsonl", rows[2] | {"rater": "Cy"})
    said = refused(store, other)
    assert said.endswith(f"and another --db: {store.path} has ratings of other aspects")
    far = write(tmp_path / "h.jsonl", rows[0] | {"rating": 90}, rows[1])
    assert "a scale has at most 21 whole numbers" in refused(store, far)
