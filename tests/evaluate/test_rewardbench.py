import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import Rule

from rmkeras.errors import RmkerasError
from rmkeras.evaluate import evaluate_rewardbench, read_rewardbench
from rmkeras.evaluate.rewardbench import (
    CATEGORIES,
    CODE,
    BenchmarkPair,
    benchmark_scores,
    is_rewardbench,
)

# The published numbers of pairs; of math-prm 447 that are weighed as 984.
COUNTS = dict(
    zip(
        [s for members in CATEGORIES.values() for s in members],
        [100, 95, 95, 28, 40, 37, 100, 134, 92, 47, 46, 100, 100, 154, 250, 136, 447]
        + [164] * 6,
        strict=True,
    )
)


def whole_benchmark(accuracy):
    """Pairs of every subset, of which a given share is right."""
    records, chosen = [], []
    for subset, n in COUNTS.items():
        right = round(accuracy[subset] * n)
        records += [BenchmarkPair("q", "yes", "no", subset)] * n
        chosen += [1.0] * right + [-1.0] * (n - right)
    return records, np.array(chosen)


def test_the_whole_benchmark_has_2985_pairs():
    assert sum(COUNTS.values()) == 2985


def test_categories_are_weighed_as_published():
    rng = np.random.default_rng(0)
    accuracy = {s: rng.integers(0, 101) / 100 for s in COUNTS}
    records, chosen = whole_benchmark(accuracy)
    found = benchmark_scores(records, chosen, np.zeros(len(chosen)))
    # Independently: a weighted mean of subset accuracies by the published table.
    weights = COUNTS | {"math-prm": 984}
    for category, members in CATEGORIES.items():
        exact = {s: found["subsets"][s]["accuracy"] for s in members}
        expected = np.average(
            list(exact.values()), weights=[weights[s] for s in members]
        )
        assert found["categories"][category]["accuracy"] == pytest.approx(expected)
    scores = [c["accuracy"] for c in found["categories"].values()]
    assert found["score"] == pytest.approx(np.mean(scores)) and found["n"] == 2985
    assert found["unknown"] == []


def test_math_and_code_weigh_the_same():
    accuracy = {s: float(s == "math-prm") for s in COUNTS}
    records, chosen = whole_benchmark(accuracy)
    found = benchmark_scores(records, chosen, np.zeros(len(chosen)))["categories"]
    assert found["Reasoning"]["accuracy"] == 0.5
    low, high = found["Reasoning"]["interval"]
    # 4 / (1/447 + 1/984) pairs' worth.
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / 1229.6**0.5, rel=0.01)


def test_parts_ties_and_unknown_subsets():
    pairs = [
        BenchmarkPair("q", "a", "b", "math-prm"),
        BenchmarkPair("q", "aa", "b", "my-own"),
    ]
    found = evaluate_rewardbench(Rule(len), pairs)
    assert list(found["categories"]) == ["Reasoning"] and found["unknown"] == ["my-own"]
    assert found["subsets"]["math-prm"]["accuracy"] == 0.5
    assert found["subsets"]["my-own"]["accuracy"] == 1.0
    # A length-only rule may win a subset: it is always shown beside it.
    assert found["subsets"]["my-own"]["length_baseline"] == 1.0
    assert evaluate_rewardbench(Rule(len), pairs[1:])["score"] is None
    assert len(CODE) == 6


def write(path, rows):
    text = "".join(json.dumps(r) + "\n" for r in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, "utf8")
    return path


ROW = {"prompt": "q", "chosen": "a", "rejected": "b", "subset": "hep-go"}


@pytest.mark.parametrize("name", ["b.jsonl", "b.jsonl.gz"])
def test_files_are_read_plain_and_gzipped(tmp_path, name):
    rows = [ROW, ROW | {"id": 7, "chosen_model": "gpt", "more": [1]}]
    file = write(tmp_path / name, rows)
    first, second = read_rewardbench(file)
    assert is_rewardbench(file) and first.source == first.subset == "hep-go"
    assert (second.id, second.chosen_model, second.rejected_model) == ("7", "gpt", None)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.text(max_size=20)] * 4), min_size=1, max_size=5))
def test_any_strings_come_back(tmp_path_factory, rows):
    fields = ("prompt", "chosen", "rejected", "subset")
    file = tmp_path_factory.mktemp("bench") / "b.jsonl"
    write(file, [dict(zip(fields, row, strict=True)) for row in rows])
    found = [(r.prompt, r.chosen, r.rejected, r.subset) for r in read_rewardbench(file)]
    assert found == rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"prompt": "q", "chosen": "a"}',
            "2: rejected: found nothing; expected a str",
        ),
        ('{"prompt": 3, "chosen": "a"}', "2: prompt: found 3"),
        ("[1]", "2: found a list"),
        ("{", "2: not JSON"),
        ('"\\ud83d', "2: not JSON"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, line, message):
    file = tmp_path / "b.jsonl"
    file.write_text(json.dumps(ROW) + "\n" + line + "\n", "utf8")
    with pytest.raises(RmkerasError, match=f"b.jsonl:{message}"):
        read_rewardbench(file)


def test_files_that_are_none(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"{}" * 999)[:20])
    damaged = bytearray(gzip.compress(bytes(range(256)) * 40))
    damaged[10] = 0xFF  # no kind of block that there is
    (tmp_path / "damaged.jsonl.gz").write_bytes(damaged)
    for name, message in (
        ("empty.jsonl", "no records"),
        ("none.jsonl", "can't read"),
        ("cut.jsonl.gz", "can't read"),
        ("damaged.jsonl.gz", "can't read .*damaged.jsonl.gz: .*decompress"),
    ):
        assert not is_rewardbench(tmp_path / name)
        with pytest.raises(RmkerasError, match=message):
            read_rewardbench(tmp_path / name)
    write(tmp_path / "p.jsonl", [{"chosen": "a", "rejected": "b"}])
    assert not is_rewardbench(tmp_path / "p.jsonl")
    assert not is_rewardbench(tmp_path / "p.csv")
