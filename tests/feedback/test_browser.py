"""The web page in a real Chromium, driven by keys."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from rmkeras.feedback import Item, Store

sys.path.insert(0, str(Path(__file__).parent))
from servers import Killable, served

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the browser tests need pip install playwright"
)
for library in ("starlette", "uvicorn", "markdown_it", "nh3"):
    pytest.importorskip(library)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
if CHROMIUM is None:
    pytest.skip(
        "no Chromium here; bring one with: apt-get install chromium",
        allow_module_level=True,
    )

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 240_000  # Milliseconds; the machine may be busy with other things.


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "s.db", seed=1) as store:
        yield store


class Page:
    """One person's window; complains about every error and foreign request."""

    def __init__(self, browser, address, name="Ada", size=(1200, 800)):
        width, height = size
        self.context = browser.new_context(viewport={"width": width, "height": height})
        self.context.set_default_timeout(PATIENCE)
        self.tab = self.context.new_page()
        self.wrong = []
        self.address = "/".join(address.split("/")[:3])
        self.tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.tab.on("console", self._console)
        self.tab.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        self.tab.on("request", self._request)
        self.tab.goto(address)
        if name:
            # The field gets the focus by itself, a moment after the page is there.
            self.tab.wait_for_function(
                "() => document.activeElement?.tagName === 'INPUT'"
            )
            self.tab.keyboard.type(name)
            self.press("Enter")
            self.ready()

    def _console(self, message):
        # A server that was killed is no error of the page.
        if message.type == "error" and "ERR_CONNECTION" not in message.text:
            self.wrong.append(message.text)

    def _request(self, request):
        if not request.url.startswith((self.address, "about:", "data:")):
            self.wrong.append(f"request to {request.url}")

    def ready(self):
        self.tab.wait_for_selector("#actions:not([hidden]) button")
        return self

    def press(self, *keys):
        for key in keys:
            self.tab.keyboard.press(key)

    def count(self):
        return self.tab.inner_text("#count")

    def answer(self, *keys):
        """Presses keys and waits for the acknowledgement."""
        before = self.count()
        self.press(*keys)
        self.tab.wait_for_function(
            "before => document.getElementById('count').textContent !== before",
            arg=before,
        )

    def texts(self):
        return self.tab.locator("#answers .text").all_inner_texts()

    def done(self):
        assert not self.wrong, self.wrong
        self.context.close()


def pairs(count):
    return [Item("compare", (f"a{i}", f"b{i}"), f"p{i}") for i in range(count)]


def test_a_whole_session_by_keyboard(browser, store):
    store.set_plan(guide="Be **fair**.", scale=(1, 5))
    store.add_items(
        [
            *(
                Item("compare", (f"a{i}", f"b{i}"), "p", priority=9 - i)
                for i in range(5)
            ),
            Item("rate", ("A text.",), priority=2),
            Item("rank", ("r0", "r1", "r2"), priority=1),
            Item("edit", ("Teh cat.",), priority=0),
        ]
    )
    with served(store) as address:
        page = Page(browser, address)
        assert page.tab.locator("#guide strong").inner_text() == "fair"
        assert page.count() == "0 done, 8 left"
        first = page.texts()
        page.answer("1")
        assert page.tab.evaluate("document.activeElement.id") == "question"
        assert page.tab.inner_text("#status") == "Saved."
        second = page.texts()
        page.answer("ArrowRight")
        page.answer("t")
        page.answer("b")
        page.press("n")
        page.tab.keyboard.type("u 1 t")  # Keys that would answer, were they not typed.
        page.press("Escape")
        page.answer("s")
        page.answer("u")
        assert page.tab.input_value("#note") == "u 1 t"
        page.answer("s")
        assert page.count() == "4 done, 3 left, 1 skipped"
        page.press("2", "3", "4", "5")
        page.answer("Enter")
        order = page.texts()
        page.press("3", "1", "Backspace", "Backspace", "2", "3", "1")
        page.answer("Enter")
        page.press("Control+a")
        page.tab.keyboard.type("The cat.")
        page.answer("Control+Enter")
        assert "Nothing is left" in page.tab.inner_text("#question")
        page.done()
    said = [a.value for a in store.answers()]
    chosen = [
        store.item(i).texts[v["choice"] == "second"] for i, v in enumerate(said[:2], 1)
    ]
    assert chosen == [first[0], second[1]]
    assert [v["choice"] for v in said[2:4]] == ["tie", "bad"]
    ratings = {"truthful": 2, "fluent": 3, "creative": 4, "harmless": 5}
    assert said[4] == {"ratings": ratings}
    ranked = [("r0", "r1", "r2")[i] for i in said[5]["ranking"]]
    assert ranked == [order[1], order[2], order[0]]
    assert said[6] == {"text": "The cat."}
    (skipped,) = [a for a in store.answers(skips=True) if a.skip]
    assert skipped.value["note"] == "u 1 t"
    assert all(a.seconds is not None and a.seconds < 600 for a in store.answers())


def test_help_can_switch_single_keys_off(browser, store):
    store.add_items(pairs(2))
    with served(store) as address:
        page = Page(browser, address)
        page.press("?")
        assert page.tab.locator("#help").is_visible()
        page.press("1")
        page.tab.locator("#single").press("Space")
        page.press("Escape")
        page.press("1", "t", "s")
        page.tab.wait_for_timeout(300)
        assert page.count() == "0 done, 2 left"
        page.tab.reload()
        page.ready().press("t")
        page.tab.get_by_role("button", name="Tie").press("Enter")
        page.tab.wait_for_function(
            "() => document.getElementById('count').textContent.startsWith('1 done')"
        )
        page.done()
    assert len(store.answers()) == 1


def test_two_raters_at_once(browser, store):
    store.add_items(pairs(6))
    with served(store) as address:
        ada, bob = Page(browser, address), Page(browser, address, "Bob")
        for _ in range(3):
            assert set(ada.texts()).isdisjoint(bob.texts())
            ada.answer("1")
            bob.answer("2")
        for page in (ada, bob):
            page.tab.wait_for_function(
                "() => document.getElementById('question').textContent.includes('Nothing')"
            )
            page.done()
    answers = store.answers()
    assert len({a.item for a in answers}) == len(answers) == 6
    assert sorted(a.rater for a in answers) == ["Ada"] * 3 + ["Bob"] * 3


def test_a_reload_in_the_middle_loses_nothing(browser, store):
    items = [Item("rate", (f"Text {i}.",)) for i in range(3)]
    store.add_items([*pairs(3), *items])
    store.set_priorities({i: 1.0 for i in range(1, 4)})
    with served(store) as address:
        page = Page(browser, address)
        page.answer("1")
        seen = page.texts()
        page.tab.reload()
        assert page.ready().texts() == seen
        page.answer("1")
        page.answer("1")
        page.press("4", "3")
        seen = page.texts()
        page.tab.reload()
        assert page.ready().texts() == seen
        page.press("2", "5")
        page.answer("Enter")
        page.done()
    rated = store.answers(task="rate")[0].value["ratings"]
    assert rated == {"truthful": 4, "fluent": 3, "creative": 2, "harmless": 5}


HOSTILE = (
    "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title="
    "'hacked'\"><a href=javascript:alert(1)>x</a></div></main><style>*{display:none}"
    "</style>\u202e\u2066 ltr? \x00 &lt;b&gt; {{ 7*7 }}"
)


def test_a_hostile_text_is_only_a_text(browser, store):
    store.set_plan(title=HOSTILE, aspects=(HOSTILE, "b"), guide=HOSTILE)
    store.add_items(
        [
            Item("compare", (HOSTILE, "שלום " + HOSTILE), HOSTILE, priority=3),
            Item("rate", (HOSTILE,), HOSTILE, priority=2),
            Item("rank", (HOSTILE, HOSTILE + "1", HOSTILE + "2"), HOSTILE, priority=1),
            Item("edit", (HOSTILE,), HOSTILE),
        ]
    )
    with served(store) as address:
        page = Page(browser, address)
        for keys in (["1"], ["5", "5", "Enter"], ["1", "2", "3", "Enter"]):
            assert page.tab.title() != "hacked"
            assert "<script>" in page.texts()[0]
            for tag in ("main script", "main img", "main style", "#answers a"):
                assert page.tab.locator(tag).count() == 0
            box = page.tab.locator("#answers .text").first
            assert box.evaluate("e => getComputedStyle(e).unicodeBidi") == "isolate"
            assert box.get_attribute("dir") == "auto"
            page.answer(*keys)
        # Left as it was, also where a text area cannot hold a character.
        page.answer("Control+Enter")
        page.done()
    assert len(store.answers()) == 4


def test_kill_9_in_the_middle(browser, store):
    store.add_items(pairs(4))
    server = Killable(store.path)
    server.start()
    try:
        page = Page(browser, server.address)
        page.answer("1")
        server.kill()
        page.press("2")
        page.tab.wait_for_function(
            "() => document.getElementById('alarm').textContent.includes('No connection')"
        )
        assert page.count() == "1 done, 3 left"
        page.press("t", "u", "1")  # Locked until the answer has arrived.
        server.start()
        page.tab.wait_for_function(
            "() => document.getElementById('count').textContent === '2 done, 2 left'"
        )
        assert page.tab.inner_text("#alarm") == ""
        # Closed before the server is back: sent when the page is opened again.
        server.kill()
        page.press("b")
        page.tab.wait_for_function(
            "() => document.getElementById('alarm').textContent.includes('No connection')"
        )
        page.tab.goto("about:blank")
        server.start()
        page.tab.goto(server.address)
        page.tab.wait_for_function(
            "() => document.getElementById('count')?.textContent === '3 done, 1 left'"
        )
        page.answer("t")
        page.done()
    finally:
        server.kill()
    choices = [a.value["choice"] for a in store.answers()]
    assert len(choices) == 4 and choices[2:] == ["bad", "tie"]


@pytest.mark.parametrize("task", ["compare", "rate", "rank", "edit"])
def test_phone_width(browser, store, task):
    word = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
    count = {"compare": 2, "rank": 4}.get(task, 1)
    texts = tuple(f"{i} {word} " + "and more. " * 40 for i in range(count))
    store.add_items([Item(task, texts, word)])
    with served(store) as address:
        page = Page(browser, address, size=(375, 667))
        assert page.tab.evaluate("document.documentElement.scrollWidth") <= 375
        for button in page.tab.locator("#actions button").all():
            box = button.bounding_box()
            assert box["height"] >= 44 and box["y"] + box["height"] <= 667
        page.done()


def test_a_screen_reader_finds_names_and_places(browser, store):
    store.add_items([*pairs(1), Item("rate", ("A text.",), priority=-1)])
    with served(store) as address:
        page = Page(browser, address)
        tree = page.tab.locator("body").aria_snapshot()
        for part in (
            'heading "Which answer is better?" [level=2]',
            'article "Answer 1"',
            'region "Prompt"',
            'group "Your answer"',
            'button "1 is better"',
            "progressbar",
        ):
            assert part in tree, tree
        page.answer("t")
        tree = page.tab.locator("body").aria_snapshot()
        assert 'group "truthful"' in tree and 'radio "5"' in tree
        assert page.tab.locator("#status").get_attribute("aria-live") == "polite"
        page.done()


def _luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for(scheme):
    import rmkeras.feedback

    css = Path(rmkeras.feedback.__file__).with_name("pages") / "page.css"
    block = css.read_text().split(":root")[1 + scheme].split("}")[0]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    for ink, paper in (
        ("ink", "paper"),
        ("ink", "card"),
        ("ink", "tint"),
        ("soft", "paper"),
        ("soft", "card"),
        ("main", "card"),
        ("on-main", "main"),
        ("bad", "bad-tint"),
        ("card", "bad"),
    ):
        high, low = sorted((_luminance(colours[c]) for c in (ink, paper)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, paper)


def test_the_teachers_page_renews_itself(browser, store):
    store.set_plan(raters_per_item=2)
    store.add_items(pairs(2))
    with served(store) as address:
        link = f"{address}/in/{store.token(store.teacher())}"
        page = Page(browser, link, name=None)
        page.tab.fill("#names", "Ada\nאורי")
        page.tab.click("text=Make links")
        page.tab.wait_for_selector(".links input[readonly]")
        assert page.tab.locator(".links input[readonly]").count() == 2
        store.record(store.rater("Ada"), 1, {"choice": "first"})
        store.record(store.rater("אורי"), 1, {"choice": "second"})
        page.tab.wait_for_selector(".dispute")
        assert "α = 0.00" in page.tab.inner_text("#now")
        page.done()
