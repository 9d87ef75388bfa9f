import collections
import json
import re
from pathlib import Path

import pytest

import rmkeras.data.tasks as module
from rmkeras.data import TASKS, check_records, load_task
from rmkeras.errors import RmkerasError

FOLDER = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize("task", TASKS)
def test_the_file_is_good_and_its_parts_are_disjoint(task):
    file = FOLDER / module.FILES[task]
    report = check_records(file)
    rows = [json.loads(line) for line in file.read_text("utf8").splitlines()]
    assert report.counts["bad"] == 0 and report.counts["good"] == len(rows)
    train, test = load_task(task, "train"), load_task(task, "test")
    prompts = [{r.prompt for r in part} for part in (train, test)]
    assert not prompts[0] & prompts[1] and len(train) + len(test) == len(rows)
    assert len(prompts[1]) / (len(prompts[0]) + len(prompts[1])) == pytest.approx(
        0.2, abs=0.01
    )
    # The card counts what is there.
    name = "parallel_en_fr.md" if task == "translation" else "tasks.md"
    card = (FOLDER / name).read_text("utf8")
    assert f"| {file.name} | {len(rows)} | {len(test)} |" in card


def test_no_sentence_comes_twice_and_signs_are_french():
    records = load_task("translation")
    counts = collections.Counter(r.prompt for r in records)
    assert counts.most_common(1)[0][1] == 1
    for r in records:
        english, french = r.prompt.removeprefix("In French: "), r.completion
        assert english[0].isupper() and french[0].isupper()
        assert (english[-1] == "?") == french.endswith(" ?")
        # Elision, contraction and negation, where grammar leaves no choice.
        assert not re.search(r"\b(je|ne|le|la|de|que) [aeiouéèêh]", french.lower())
        assert not re.search(r"\b(à le|de le|à les|de les)\b", french.lower())
        if re.search(r"\bnot\b", english) and r.completion != "Ça ne fait rien.":
            assert re.search(r"\b(ne|n'|N')", french) and " pas" in french


def test_questions_are_answered_by_what_they_say():
    for r in load_task("question"):
        story = r.prompt.rpartition(". ")[0]
        assert r.completion.lower() in story.lower()


def test_summaries_name_what_the_review_names():
    for r in load_task("summary"):
        first, join, *second = r.completion.lower().rstrip(".").rsplit(" ", 3)
        words = [*first.split(), *second]
        assert join in ("and", "but")
        assert all(word in r.prompt.lower() for word in words)


def test_replies_differ_in_their_tone():
    rude = re.compile(r"idiot|shut|stupid|lost|hate|pathetic|fool|loser|moron|useless")
    records = load_task("replies")
    assert not any(rude.search(r.chosen.lower()) for r in records)
    assert (
        sum(bool(rude.search(r.rejected.lower())) for r in records) > len(records) / 2
    )


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(RmkerasError, match="no task 'chess'"):
        load_task("chess")
    with pytest.raises(RmkerasError, match="train, test or all"):
        load_task("summary", "valid")
    monkeypatch.setitem(module.FILES, "summary", "nothing.jsonl")
    with pytest.raises(RmkerasError, match="comes with the checkout"):
        load_task("summary")
