"""The web page without a browser: who gets in, what is refused, what is stored."""

import json
import re
import time
from types import SimpleNamespace

import pytest

from rmkeras.feedback import Item, Store
from rmkeras.feedback.app import create_app, render_guide
from rmkeras.feedback.database import Unwritable
from rmkeras.feedback.web import Buckets, Sessions

testclient = pytest.importorskip("starlette.testclient")

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">\u202e&amp;'


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db", seed=0) as store:
        store.add_items([Item("compare", (f"a{i}", f"b{i}"), "p") for i in range(6)])
        yield store


def visit(store, public=False, host="127.0.0.1"):
    return testclient.TestClient(
        create_app(store, public), base_url=f"http://{host}", follow_redirects=True
    )


def csrf(client):
    page = client.get("/").text
    return re.search('name="csrf" content="([0-9a-f]+)"', page)[1]


def come_in(store, name="Ada", **kwargs):
    client = visit(store, **kwargs)
    (_, token), *_ = store.invite([name])
    assert client.get(f"/in/{token}").status_code == 200
    client.headers["X-CSRF-Token"] = csrf(client)
    return client


def asked(client):
    return client.get("/api/next").json()["asked"]


def body(item, choice="left", name="an-answer-id"):
    value = {"choice": choice}
    return {"id": name, "item": item, "value": value, "seconds": 1.5}


def test_an_answer_is_stored_in_the_items_own_order(store):
    client = come_in(store)
    for number in range(6):
        item = asked(client)
        reply = client.post(
            "/api/answer", json=body(item["item"], name=f"a{number:08}")
        )
        assert reply.json()["stored"] == f"a{number:08}"
        given = store.answers()[-1]
        better = store.item(given.item).texts[given.value["choice"] == "second"]
        assert better == item["texts"][0]
        assert given.seconds == 1.5
    assert {a.value["choice"] for a in store.answers()} == {"first", "second"}
    assert asked(client) is None


def test_a_typed_name_lets_in_here_but_not_where_others_can_come(store):
    form = {"name": "Ada"}
    local = visit(store)
    assert 'data-rater="' in local.post("/name", data=form).text
    public = visit(store, public=True)
    assert public.post("/name", data=form).status_code == 403
    assert "invitation link" in public.get("/").text
    assert public.get("/api/next").status_code == 401


def test_a_typed_name_does_not_open_an_invited_persons_door(store):
    store.invite(["Ada"])
    answer = visit(store).post("/name", data={"name": "ADA"})
    assert answer.status_code == 400 and "own link" in answer.text


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\u202eb", "a\x00b", "\u200b"])
def test_names_that_are_none_are_refused(store, name):
    assert visit(store).post("/name", data={"name": name}).status_code == 400
    assert not store.raters()


def test_a_name_is_shown_as_text(store):
    page = visit(store).post("/name", data={"name": "<b>Ada</b>"}).text
    assert "&lt;b&gt;Ada&lt;/b&gt;" in page and "<b>Ada" not in page


def test_forged_and_old_tokens_let_nobody_in(store):
    rater = store.rater("Ada", invited=True)
    good = store.token(rater)
    old, number = good, rater.id
    new = store.renew(rater)
    mac = new.split(".")[2]
    other = store.token(store.rater("Bob", invited=True))
    forged = [
        old,
        new[:-1] + ("0" if new[-1] != "0" else "1"),
        f"{number}.3.{mac}",
        f"{number + 1}.2.{mac}",
        f"0{number}.2.{mac}",
        f"{number}.2.{other.split('.')[2]}",
        f"{number}.2.",
        "",
        "x",
        "٣.2." + mac,
        new + "\n",
    ]
    name = Sessions(store).cookie
    for token in forged:
        assert store.rater_of_token(token) is None, token
        if token.isascii() and token.isprintable():
            headers = {"Cookie": f"{name}={token}"}
            client = visit(store, public=True)
            assert client.get("/api/next", headers=headers).status_code == 401
            assert client.get(f"/in/{token}").status_code in (403, 404)
    headers = {"Cookie": f"{name}={new}"}
    assert visit(store).get("/api/next", headers=headers).status_code == 200
    assert store.rater_of_token(new) == rater


def test_another_stores_token_is_worth_nothing(store, tmp_path):
    with Store(tmp_path / "other.db") as other:
        token = other.token(other.teacher())
    store.teacher()
    assert store.rater_of_token(token) is None


def test_a_rater_sees_nothing_of_the_teachers(store):
    client = come_in(store)
    # Also with a rater's token in the teacher's cookie.
    sessions = Sessions(store)
    token = store.token(store.rater("Ada"))
    client.cookies.set(sessions.cookie_of("teacher"), token)
    for path in ("/teach", "/teach/export", "/teach/export?type=answers"):
        assert client.get(path).status_code == 401
    csrf = store.sign(f"csrf {token}")
    form = {"csrf": csrf, "names": "Eve"}
    assert client.post("/teach/invite", data=form).status_code == 401
    assert [r.name for r in store.raters()] == ["Ada"]


def test_somebody_who_was_shut_out_stays_out(store):
    client = come_in(store)
    store.set_active(store.rater("Ada"), False)
    assert client.get("/api/next").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"X-CSRF-Token": "0" * 40},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "ü".encode()},
    ],
)
def test_other_sites_cannot_answer(store, headers):
    client = come_in(store)
    item = asked(client)["item"]
    reply = client.post("/api/answer", json=body(item), headers=headers)
    assert reply.status_code == 403
    assert client.post("/api/undo", json={}, headers=headers).status_code == 403
    assert not store.answers()
    same = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/answer", json=body(item), headers=same).is_success


def test_one_persons_csrf_token_is_not_anothers(store):
    ada, bob = come_in(store), come_in(store, "Bob")
    item = asked(bob)["item"]
    headers = {"X-CSRF-Token": ada.headers["X-CSRF-Token"]}
    assert bob.post("/api/answer", json=body(item), headers=headers).status_code == 403


def test_other_hosts_are_refused_unless_public(store):
    assert visit(store, host="evil.example").get("/").status_code == 421
    assert visit(store, host="localhost").get("/").status_code == 200
    assert visit(store, public=True, host="class.example").get("/").status_code == 200


def test_every_response_is_protected(store):
    client = come_in(store)
    paths = ("/", "/nowhere", "/api/next", "/in/x", "/static/v/page.css", "/teach")
    for path in paths:
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_the_cookie_is_kept_from_scripts_and_other_sites(store):
    (_, token), *_ = store.invite(["Ada"])
    reply = visit(store).get(f"/in/{token}", follow_redirects=False)
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"id": NaN}',
    b"[" * 100_000,
    b"\xff\xfe",
    b'{"id": 1, "item": 1, "value": {"choice": "left"}}',
    b'{"id": "an-answer-id", "item": 1}',
    b'{"id": "an-answer-id", "item": 1, "value": []}',
    b'{"id": "an-answer-id", "item": 1, "value": {"choice": "up"}}',
    b'{"id": "an-answer-id", "item": 1, "value": {"choice": ["left"]}}',
    b'{"id": "an-answer-id", "item": "1", "value": {"choice": "left"}}',
    b'{"id": "an-answer-id", "item": 1e400, "value": {"choice": "left"}}',
    b'{"id": "an-answer-id", "item": 99, "value": {"choice": "left"}}',
    b'{"id": "an-answer-id", "item": 1, "value": {"choice": "left"}, "seconds": -1}',
    b'{"id": "an-answer-id", "item": 1, "value": {"choice": "left", "note": 5}}',
    b'{"id": "an-answer-id", "item": 1, "value": {"choice": "left", "note": "\\ud800"}}',
    b'{"id": "../../../etc", "item": 1, "value": {"choice": "left"}}',
]


@pytest.mark.parametrize("data", MALFORMED)
def test_malformed_answers_are_refused_and_change_nothing(store, data):
    store.set_priorities({1: 1.0})
    client = come_in(store)
    assert asked(client)["item"] == 1
    headers = {"Content-Type": "application/json"}
    reply = client.post("/api/answer", content=data, headers=headers)
    assert reply.status_code in (400, 403) and reply.json()["error"]
    assert not store.answers()
    assert asked(client)["item"] == 1


def test_only_json_is_taken_and_only_so_much(store, monkeypatch):
    client = come_in(store)
    asked(client)
    assert client.post("/api/answer", data={"id": "x"}).status_code == 415
    headers = {"Content-Type": "application/json"}
    large = b'{"id": "' + b"x" * 70_000 + b'"}'
    assert client.post("/api/undo", content=large, headers=headers).status_code == 413
    # Without a length, the body is counted as it comes.
    pieces = (b"x" * 10_000 for _ in range(10))
    assert client.post("/api/undo", content=pieces, headers=headers).status_code == 413


def test_ten_megabytes_of_any_script_come_and_go_whole(tmp_path):
    text = "שלום 中文 " * 650_000  # 10 MB in UTF-8
    with Store(tmp_path / "s.db") as store:
        store.add_items([Item("edit", (text,), HOSTILE)])
        client = come_in(store)
        item = asked(client)
        assert item["texts"] == [text] and item["prompt"] == HOSTILE
        sent = body(item["item"]) | {"value": {"text": text + HOSTILE}}
        assert client.post("/api/answer", json=sent).is_success
        assert store.answers()[0].value["text"] == text + HOSTILE


def test_retry_conflict_and_undo_over_http(store):
    client = come_in(store)
    item = asked(client)["item"]
    for _ in range(2):
        assert client.post("/api/answer", json=body(item)).json()["answered"] == 1
    other = body(item, "right", "another-answer")
    assert client.post("/api/answer", json=other).status_code == 409
    for _ in range(2):
        back = client.post("/api/undo", json={"id": "an-answer-id"}).json()
        assert back["answered"] == 0 and back["asked"]["item"] == item
        assert back["asked"]["value"]["choice"] == "left"


def test_two_people_do_not_get_the_same_place(store):
    ada, bob = come_in(store), come_in(store, "Bob")
    seen = [asked(c)["item"] for c in (ada, bob)]
    assert seen[0] != seen[1]
    assert bob.post("/api/answer", json=body(seen[0])).status_code == 403


def test_too_many_requests_are_slowed_down(store, monkeypatch):
    # The clock stands, so that a slow machine gets no new tokens meanwhile.
    still = SimpleNamespace(**{**vars(time), "monotonic": lambda: 0.0})
    monkeypatch.setattr("rmkeras.feedback.web.time", still)
    client = come_in(store)
    codes = {client.get("/api/next").status_code for _ in range(320)}
    assert 429 in codes
    bucket = Buckets(rate=1000.0, burst=2)
    assert [bucket.take("a") for _ in range(2)] == [True, True]
    assert Buckets(rate=1e-9, burst=1).take("a") and bucket.take("b")


def test_the_guide_is_markdown_and_harmless():
    html = render_guide(
        "**Be kind** [x](javascript:alert(1)) ![p](http://evil.example/p.png)\n\n"
        "<script>alert(1)</script> <b onclick=alert(1)>b</b>\n\n| a |\n| - |\n| b |"
    )
    assert "<strong>Be kind</strong>" in html and "<table>" in html
    assert "<script" not in html and "<img" not in html and "<b " not in html
    assert 'href="javascript' not in html


def teacher(store, **kwargs):
    client = visit(store, **kwargs)
    client.get(f"/in/{store.token(store.teacher())}")
    page = client.get("/teach")
    assert page.status_code == 200
    token = re.search('name="csrf" value="([0-9a-f]+)"', page.text)[1]
    return client, token


def test_the_teacher_may_rate_in_the_same_browser(store):
    client, _ = teacher(store)
    assert 'data-rater="' in client.post("/name", data={"name": "Ada"}).text
    assert client.get("/teach").status_code == 200
    client.post("/teach/out")
    assert client.get("/teach").status_code == 401
    assert 'data-rater="' in client.get("/").text


def test_the_teacher_invites_and_the_links_work(store):
    client, token = teacher(store, public=True)
    form = {"csrf": token, "names": "Ada\n\n  Béa  \n"}
    page = client.post("/teach/invite", data=form).text
    links = re.findall(r'value="http://127.0.0.1(/in/[^"]+)"', page)
    assert len(links) == 2
    for link in links:
        assert 'data-rater="' in visit(store, public=True).get(link).text
    form = {"csrf": token, "rater": str(store.rater("Ada").id), "what": "renew"}
    client.post("/teach/rater", data=form)
    assert visit(store, public=True).get(links[0]).status_code == 403
    assert visit(store, public=True).get(links[1]).status_code == 200


def test_invitations_need_the_csrf_token(store):
    client, _ = teacher(store)
    form = {"csrf": "0" * 40, "names": "Eve"}
    assert client.post("/teach/invite", data=form).status_code == 403
    assert not store.raters()


def test_a_bad_name_invites_nobody_and_loses_nothing_typed(store):
    client, token = teacher(store)
    form = {"csrf": token, "names": "Ada\nB\u202eob"}
    answer = client.post("/teach/invite", data=form)
    assert answer.status_code == 400 and "Ada" in answer.text
    assert not store.raters()


def test_the_teachers_page_shows_texts_as_text(store):
    store.set_plan(raters_per_item=2)
    store.add_items([Item("compare", (HOSTILE, "x" + HOSTILE), HOSTILE)])
    for name, choice in (("Ada", "first"), ("Bob", "second")):
        value = {"choice": choice, "note": HOSTILE}
        store.record(store.rater(name), 7, value)
    client, _ = teacher(store)
    page = client.get("/teach").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page and "<img" not in page
    assert "α = " in page


def test_export_over_http_is_a_feedback_file(store, tmp_path):
    from rmkeras.data import read_records

    store.record(store.rater("Ada"), 1, {"choice": "second"}, shown=(1, 0), seconds=2)
    store.record(store.rater("Ada"), 2, {"skip": True})
    client, _ = teacher(store)
    reply = client.get("/teach/export?type=preference&anonymous=1")
    file = tmp_path / "export.jsonl"
    file.write_bytes(reply.content)
    (record,) = read_records(file)
    assert (record.chosen, record.rejected, record.rater) == ("b0", "a0", "rater-1")
    everything = client.get("/teach/export?type=answers").text.splitlines()
    first, second = map(json.loads, everything)
    assert first["shown"] == [1, 0] and first["seconds"] == 2
    assert second["value"] == {"skip": True}
    assert client.get("/teach/export?type=../etc").status_code == 400


def test_a_commit_that_fails_is_acknowledged_to_nobody(store, monkeypatch):
    client = come_in(store)
    item = asked(client)["item"]
    real = store.transaction

    def broken():
        raise Unwritable("the disk is full; nothing was changed")

    monkeypatch.setattr(store, "transaction", broken)
    reply = client.post("/api/answer", json=body(item))
    assert reply.status_code == 503 and "disk" in reply.json()["error"]
    monkeypatch.setattr(store, "transaction", real)
    assert not store.answers()
    assert client.post("/api/answer", json=body(item)).is_success
