"""Records weighed by their raters beat votes and means."""

import json

import numpy as np
import pytest

from rmkeras.cli import main
from rmkeras.data import (
    Preference,
    Rating,
    Text,
    combine_raters,
    read_records,
    write_records,
)
from rmkeras.errors import RmkerasError
from rmkeras.feedback import Item, Store, export_records
from rmkeras.feedback.store_quality import check_store
from rmkeras.feedback.weigh import weigh_records


def comparisons(seed=0, pairs=120):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(pairs):
        for name, accuracy in (
            ("a", 0.95),
            ("b", 0.9),
            ("x", 0.5),
            ("y", 0.5),
            ("z", 0.5),
        ):
            good = rng.random() < accuracy
            sides = ("good", "bad") if good else ("bad", "good")
            rows.append(Preference(*sides, f"{i}?", rater=name))
    return rows


def test_comparisons():
    rows = comparisons()
    weighed = weigh_records(rows)
    votes = combine_raters(rows).preferences
    assert len(weighed.records) == len(votes) == 120
    right = np.mean([r.chosen == "good" for r in weighed.records])
    assert right > 0.9 > np.mean([r.chosen == "good" for r in votes]) + 0.05
    # What the model says of itself holds: it is right about as often as it thinks.
    sure = np.mean([r.probability for r in weighed.records])
    assert abs(sure - right) < 0.07
    found = {name: row["accuracy"] for name, row in weighed.reliability.items()}
    assert found["a"] > 0.85 and max(found[n] for n in "xyz") < 0.65
    assert max(row["weight"] for row in weighed.reliability.values()) == 1
    moved = sum(
        w.chosen != v.chosen for w, v in zip(weighed.records, votes, strict=True)
    )
    assert weighed.counts["changed"] == moved > 5
    assert weighed.counts["rows"] == 600 and weighed.counts["raters"] == 5


def test_a_margin_turns_with_its_pair_and_the_rest_is_kept():
    rows = comparisons()
    rows += [
        Preference("bad", "good", "new?", 2.0, rater=n, source="s", aspect="fluent")
        for n in "xyz"
    ]
    rows += [
        Preference("good", "bad", "new?", 1.0, rater=n, source="s", aspect="fluent")
        for n in "ab"
    ]
    last = weigh_records(rows).records[-1]
    assert (last.chosen, last.prompt, last.source, last.aspect) == (
        "good", "new?", "s", "fluent",
    )  # fmt: skip
    assert last.margin == pytest.approx((2 * 1 - 3 * 2) / 5)


def test_ties_say_nothing():
    rows = [*comparisons(), Preference("up", "down", "t?", probability=0.5, rater="a")]
    assert weigh_records(rows).records[-1].probability == pytest.approx(0.5, abs=0.1)


def test_ratings_by_aspect():
    rng = np.random.default_rng(0)
    rows, truth = [], {}
    for i in range(60):
        for aspect in ("fluent", "truthful"):
            truth[f"t{i}", aspect] = rng.normal(0, 1.5)
            for name, noise in (("a", 0.3), ("b", 0.4), ("x", 3), ("y", 3)):
                rating = truth[f"t{i}", aspect] + rng.normal(0, noise)
                rows.append(
                    Rating(f"t{i}", rating, rater=name, aspect=aspect, id=f"{i}")
                )
    weighed = weigh_records(rows)
    assert [(r.text, r.aspect) for r in weighed.records] == list(truth)
    error = [r.rating - truth[r.text, r.aspect] for r in weighed.records]
    means = [np.mean(r.ratings) - truth[r.text, r.aspect] for r in weighed.records]
    assert np.std(error) < 0.4 < 1 < np.std(means)
    assert weighed.records[0].id == "0" and weighed.records[0].rater is None
    rows_of = weighed.reliability
    assert rows_of["a"]["noise"] < 0.8 < 2 < rows_of["x"]["noise"]
    assert rows_of["a"]["answers"] == 120


def test_bad_records():
    with pytest.raises(RmkerasError, match="fewer than two people"):
        weigh_records([Preference("a", "b", rater="x")])
    with pytest.raises(RmkerasError, match="found records of type text"):
        weigh_records([Text("a")])
    with pytest.raises(RmkerasError, match="all ratings are 3"):
        weigh_records([Rating("a", 3, rater="x"), Rating("b", 3, rater="y")])


def test_from_the_store(tmp_path):
    store = Store(tmp_path / "answers.db", seed=0)
    store.add_items(Item("compare", ("good", "bad"), f"{i}?") for i in range(60))
    store.add_items([Item("compare", ("4", "5"), "2+2?", gold={"choice": "first"})])
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c", "d", "left"):
        rater = store.rater(name)
        for item in store.items():
            shown = rng.permutation(2).tolist()
            right = name != "left" and rng.random() < 0.9
            choice = ("first", "second")[shown[0]] if name == "left" else "second"
            value = {"choice": "first" if right else choice}
            store.record(rater, item.id, value, shown, seconds=5.0)
    report = {q.rater: q for q in check_store(store)}
    assert report["left"].left == 1 and "position" in report["left"].reasons
    assert [n for n, q in report.items() if q.suspected] == ["left"]
    assert report["a"].gold[1] == 1 and report["a"].seconds == 5
    # The first text always was the better one, and yet chance is ruled out.
    assert max(report[name].p_chance for name in "abcd") < 0.01
    weighed = weigh_records(list(export_records(store)))
    assert np.mean([r.chosen == "good" for r in weighed.records]) > 0.95
    assert weighed.reliability["left"]["weight"] < 0.1
    assert check_store(store, "rate") == []
    with pytest.raises(ValueError, match="expected compare or rate"):
        check_store(store, "edit")


def test_the_command(tmp_path, capsys):
    path, out = tmp_path / "said.jsonl", tmp_path / "weighed.jsonl"
    write_records(path, comparisons())
    assert main(["data", "weigh", str(path), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith(("a: accuracy 0.9", "b: accuracy 0.9"))
    assert "120 records of 600 rows by 5 raters" in lines[-1]
    assert read_records(out) == weigh_records(comparisons()).records
    assert main(["data", "weigh", str(out), "--out", str(path), "--json"]) == 2
    captured = capsys.readouterr()
    assert "fewer than two people" in json.loads(captured.out)["error"]
    assert len(read_records(path)) == 600
