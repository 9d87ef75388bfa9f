"""The store: places, reservations, idempotent answers, undo, what survives."""

import json
import sqlite3
import threading

import pytest

from rmkeras.errors import RmkerasError
from rmkeras.feedback import Conflict, Item, NotAssigned, Store, schema


def pairs(count):
    return [Item("compare", (f"a{i}", f"b{i}"), f"p{i}") for i in range(count)]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db", seed=0) as store:
        yield store


def say(store, rater, choice="first", name=None):
    asked = store.next_item(rater)
    value = {"choice": choice} if choice != "skip" else {"skip": True}
    name = name or f"answer-{rater.id}-{asked.item.id}"
    return store.answer(name, rater, asked.item.id, value)


def test_a_commit_waits_for_the_disk(store):
    db = store._db
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


def test_the_same_items_are_added_once(store):
    assert store.add_items(pairs(3)) == 3
    assert store.add_items(pairs(4)) == 1
    assert len(list(store.items())) == 4


def test_a_bad_item_adds_none(store):
    with pytest.raises(RmkerasError, match=r"item 3: .*equal"):
        store.add_items([*pairs(2), Item("compare", ("same", " same"))])
    assert not list(store.items())


def test_each_item_gets_as_many_raters_as_planned_and_no_more(store):
    store.set_plan(raters_per_item=2)
    store.add_items(pairs(5))
    people = [store.rater(f"r{i}") for i in range(4)]
    while any(store.next_item(r) for r in people):
        for r in people:
            if store.next_item(r):
                say(store, r)
    answers = store.answers()
    by_item = {}
    for a in answers:
        by_item.setdefault(a.item, []).append(a.rater)
    assert sorted(len(v) for v in by_item.values()) == [2] * 5
    assert all(len(set(v)) == 2 for v in by_item.values())


def test_people_at_once_reserve_different_items(store):
    store.add_items(pairs(2))
    a, b, c = (store.rater(n) for n in "abc")
    first, second = store.next_item(a), store.next_item(b)
    assert first.item.id != second.item.id
    assert store.next_item(c) is None


def test_a_reservation_ends_and_the_late_answer_still_counts(store):
    store.set_plan(lease=1e-6)
    store.add_items(pairs(1))
    a, b = store.rater("a"), store.rater("b")
    asked = store.next_item(a)
    assert store.next_item(b).item.id == asked.item.id
    say(store, b)
    store.answer("late-but-there", a, asked.item.id, {"choice": "tie"})
    assert len(store.answers()) == 2
    assert store.next_item(a) is None


def test_a_reload_shows_the_same_item_with_the_same_sides(store):
    store.add_items(pairs(50))
    ada = store.rater("Ada")
    for _ in range(20):
        one, two = store.next_item(ada), store.next_item(ada)
        assert (one.item.id, one.shown) == (two.item.id, two.shown)
        say(store, ada)


def test_sides_are_random_and_recorded(store):
    store.add_items(pairs(60))
    ada = store.rater("Ada")
    shown = {}
    while asked := store.next_item(ada):
        shown[asked.item.id] = asked.shown
        assert asked.texts[0] == asked.item.texts[asked.shown[0]]
        say(store, ada)
    assert {a.item: a.shown for a in store.answers()} == shown
    assert 15 < sum(s == (0, 1) for s in shown.values()) < 45


def test_a_retry_counts_once_and_a_second_answer_is_refused(store):
    store.add_items(pairs(1))
    ada = store.rater("Ada")
    item = store.next_item(ada).item.id
    one = store.answer("the-same-id", ada, item, {"choice": "first"})
    assert store.answer("the-same-id", ada, item, {"choice": "first"}) == one
    assert len(store.answers()) == 1
    with pytest.raises(Conflict):
        store.answer("the-same-id", ada, item, {"choice": "second"})
    with pytest.raises(Conflict):
        store.answer("another-id", ada, item, {"choice": "second"})


def test_a_retry_of_what_was_undone_stays_undone(store):
    store.add_items(pairs(1))
    ada = store.rater("Ada")
    item = store.next_item(ada).item.id
    store.answer("first-id", ada, item, {"choice": "first"})
    store.undo(ada, "first-id")
    assert store.answer("first-id", ada, item, {"choice": "first"}).undone
    store.answer("second-id", ada, item, {"choice": "tie"})
    assert store.answer("first-id", ada, item, {"choice": "first"}).undone
    assert [a.value for a in store.answers()] == [{"choice": "tie"}]


def test_nobody_answers_what_they_were_not_asked(store):
    store.add_items(pairs(1))
    a, b = store.rater("a"), store.rater("b")
    item = store.next_item(a).item.id
    for number in (item, 999):
        with pytest.raises(NotAssigned):
            store.answer("an-answer-id", b, number, {"choice": "first"})
    for wrong in ("1", None, [1], 1.0, 1 << 70):
        with pytest.raises(NotAssigned):
            store.answer("an-answer-id", a, wrong, {"choice": "first"})


def test_undo_frees_the_place_and_asks_again_at_once(store):
    store.add_items(pairs(3))
    ada = store.rater("Ada")
    given = say(store, ada, "second")
    on_screen = store.next_item(ada)
    again = store.undo(ada)
    assert again.item.id == given.item and again.value == {"choice": "second"}
    assert again.shown == given.shown
    assert store.undo(ada, given.id).item.id == given.item  # repeated request
    assert store.next_item(ada).item.id == given.item
    assert store.progress(ada).left == 3 and not store.answers()
    store.answer("a-second-try", ada, given.item, {"choice": "first"})
    assert store.next_item(ada).item.id == on_screen.item.id
    assert len(store.answers(undone=True)) == 2


def test_undo_reaches_nobody_elses_answer(store):
    store.add_items(pairs(1))
    a, b = store.rater("a"), store.rater("b")
    given = say(store, a)
    assert store.undo(b, given.id) is None and store.undo(b) is None
    assert len(store.answers()) == 1


def test_a_skip_frees_the_place_and_does_not_come_back(store):
    store.add_items(pairs(1))
    a, b = store.rater("a"), store.rater("b")
    say(store, a, "skip")
    assert store.next_item(a) is None
    assert say(store, b).rater == "b"
    assert store.progress(a).skipped == 1
    assert [s.skip for s in store.answers(skips=True)] == [True, False]


def test_priority_decides_the_order(store):
    store.add_items(pairs(20))
    ids = [item.id for item in store.items()]
    store.set_priorities({i: -i for i in ids} | {ids[7]: 5.0})
    ada, seen = store.rater("Ada"), []
    while asked := store.next_item(ada):
        seen.append(asked.item.id)
        say(store, ada)
    assert seen == [ids[7], *(i for i in ids if i != ids[7])]
    with pytest.raises(RmkerasError, match="finite"):
        store.set_priorities({ids[0]: float("nan")})


def test_gold_items_come_now_and_then_and_fill_no_place(store):
    store.set_plan(gold_every=4)
    store.add_items(pairs(40))
    gold = [
        Item("compare", (f"g{i}", f"h{i}"), gold={"choice": "first"}) for i in range(5)
    ]
    store.add_items(gold)
    a, b = store.rater("a"), store.rater("b")
    for person in (a, b):
        while store.next_item(person):
            say(store, person)
    assert len(store.answers(gold=False)) == 40
    theirs = [x.rater for x in store.answers(gold=True)]
    assert theirs.count("a") == 5 and theirs.count("b") <= 5


def test_more_raters_for_items_that_are_there(store):
    store.add_items([*pairs(2), Item("compare", ("x", "y"), raters=1)])
    ada, bob = store.rater("Ada"), store.rater("Bob")
    for _ in range(3):
        say(store, ada)
    assert store.next_item(bob) is None
    store.set_plan(raters_per_item=2)
    asked = [say(store, bob).item for _ in range(2)]
    assert sorted(asked) == [1, 2] and store.next_item(bob) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"raters_per_item": 0},
        {"aspects": ()},
        {"aspects": ("a", "a")},
        {"scale": (3, 3)},
        {"lease": float("inf")},
    ],
)
def test_a_senseless_plan_is_refused(store, changes):
    before = store.plan
    with pytest.raises(RmkerasError, match=next(iter(changes))):
        store.set_plan(**changes)
    assert store.plan == before


def test_another_process_sees_the_new_plan(store):
    with Store(store.path) as other:
        other.set_plan(title="New")
    assert store.plan.title == "New"


def test_everything_is_there_after_opening_again(store):
    store.add_items(pairs(2))
    ada = store.rater("Ada")
    given, token = say(store, ada), store.token(ada)
    with Store(store.path) as again:
        assert again.answers() == [given]
        assert again.rater_of_token(token) == ada


def test_fifty_threads_answer_everything_once(tmp_path):
    with Store(tmp_path / "s.db") as store:
        store.set_plan(raters_per_item=3)
        store.add_items(pairs(40))
        failures = []

        def work(number):
            try:
                me = store.rater(f"rater {number}")
                while store.next_item(me):
                    say(store, me)
            except Exception as error:  # shown below
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not failures
        answers = store.answers()
        assert len(answers) == 120
        assert len({(a.item, a.rater) for a in answers}) == 120


def test_a_transaction_that_fails_leaves_nothing(store):
    store.add_items(pairs(2))
    ada = store.rater("Ada")
    with pytest.raises(ZeroDivisionError), store.transaction():
        store.record(ada, 1, {"choice": "first"})
        1 / 0  # noqa: B018
    assert not store.answers()


def test_recording_twice_is_one_answer(store):
    store.add_items(pairs(2))
    ada = store.rater("Ada")
    for _ in range(2):
        store.record(ada, 1, {"choice": "first"}, shown=(1, 0), seconds=2)
    (only,) = store.answers()
    assert only.shown == (1, 0) and only.seconds == 2
    store.undo(ada)
    store.record(ada, 1, {"choice": "tie"})
    assert [a.value["choice"] for a in store.answers()] == ["tie"]
    assert store.next_item(ada).item.id == 2


def test_a_file_of_somebody_else_is_left_alone(tmp_path):
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE mine (x)")
    text = tmp_path / "notes.txt"
    text.write_text("My notes. " * 100)
    for path, words in ((other, "another program"), (text, "not a database")):
        before = path.read_bytes()
        with pytest.raises(RmkerasError, match=words):
            Store(path)
        assert path.read_bytes() == before
    with pytest.raises(RmkerasError, match="no such file"):
        Store(tmp_path / "missing.db", must_exist=True)
    with pytest.raises(RmkerasError, match="folder"):
        Store(tmp_path / "none" / "s.db")


def test_an_older_file_is_brought_up_to_date_whole_or_not_at_all(store, monkeypatch):
    store.add_items(pairs(2))
    given = say(store, store.rater("Ada"))
    good = "ALTER TABLE items ADD COLUMN extra TEXT;\nCREATE INDEX x ON items (extra);"
    bad = "ALTER TABLE items ADD COLUMN extra TEXT;\nCREATE INDEX x ON nowhere (extra);"
    monkeypatch.setattr(schema, "VERSION", 2)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, bad))
    with pytest.raises(RmkerasError, match="nowhere"):
        Store(store.path)
    columns = "SELECT name FROM pragma_table_info('items')"
    assert "extra" not in [row[0] for row in store._db.execute(columns)]
    assert store._db.execute("PRAGMA user_version").fetchone()[0] == 1
    monkeypatch.setattr(schema, "MIGRATIONS", (schema.MIGRATIONS[0], good))
    for _ in range(2):
        with Store(store.path) as new:
            assert new.answers() == [given]
            assert "extra" in [row[0] for row in new._db.execute(columns)]
            assert new._db.execute("PRAGMA user_version").fetchone()[0] == 2


def test_a_newer_file_is_refused(store):
    store._db.execute("PRAGMA user_version = 99")
    with pytest.raises(RmkerasError, match="version 99"):
        Store(store.path)


def test_texts_survive_exactly(store):
    text = (
        "\u202eתו\x00' \"; DROP TABLE items; -- 中文 👩🏽‍🏫\r\n" + "long " * 2_000_000
    )
    store.add_items([Item("edit", (text,), "שלום")])
    ada = store.rater("אדה")
    asked = store.next_item(ada)
    assert asked.texts == (text,)
    store.answer("ten-megabytes", ada, asked.item.id, {"text": text + "!"})
    assert store.answers()[0].value["text"] == text + "!"


def test_undone_and_stored_values_are_plain_json(store):
    store.add_items(pairs(1))
    say(store, store.rater("Ada"))
    (row,) = store._db.execute("SELECT value, shown FROM answers")
    assert json.loads(row["value"]) == {"choice": "first"}
