import collections
import json
from pathlib import Path

import pytest

import rmkeras.data.sft as module
from rmkeras.data import check_records, load_sft_pairs
from rmkeras.errors import RmkerasError

FILE = Path(__file__).parents[2] / "data" / "sft_pairs.jsonl"
ROWS = [json.loads(line) for line in FILE.read_text("utf8").splitlines()]


def family(name):
    return [row for row in ROWS if row["source"] == name]


def test_the_file_is_good():
    report = check_records(FILE)
    assert report.type == "prompt-completion"
    assert report.counts["bad"] == 0 and report.counts["good"] == len(ROWS) == 387


def test_no_prompt_occurs_twice():
    prompts = collections.Counter("".join(r["prompt"].lower().split()) for r in ROWS)
    assert prompts.most_common(1)[0][1] == 1


def test_the_parts_are_disjoint_and_complete():
    train, test = load_sft_pairs("train"), load_sft_pairs("test")
    prompts = {r.prompt for r in train}, {r.prompt for r in test}
    assert not prompts[0] & prompts[1]
    assert prompts[0] | prompts[1] == {r["prompt"] for r in ROWS}
    source = {r["prompt"]: r["source"] for r in ROWS}
    assert {source[p] for p in prompts[0]} == {source[p] for p in prompts[1]}
    assert [r.prompt for r in load_sft_pairs()] == [r["prompt"] for r in ROWS]


def test_answers_are_of_the_kind_asked_for():
    moods = collections.Counter(r["completion"] for r in family("sentiment"))
    assert moods == {"positive": 25, "negative": 25}
    stars = collections.Counter(r["completion"] for r in family("stars"))
    assert set(stars) == set("12345") and set(stars.values()) == {6}
    kinds = collections.Counter(r["completion"] for r in family("category"))
    assert kinds == {"animal": 10, "plant": 10, "tool": 10}


def test_the_card_counts_what_is_there():
    card = FILE.with_suffix(".md").read_text("utf8")
    held_out = {r.prompt for r in load_sft_pairs("test")}
    for name, count in collections.Counter(r["source"] for r in ROWS).items():
        out = sum(r["prompt"] in held_out for r in family(name))
        assert f"| {name} | {count} | {out} |" in card


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(RmkerasError, match="train, test or all"):
        load_sft_pairs("valid")
    monkeypatch.setattr(module, "FILE", "nothing.jsonl")
    with pytest.raises(RmkerasError, match="comes with the checkout"):
        load_sft_pairs()
