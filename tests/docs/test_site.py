"""The site builds without a warning, is whole, and asks nobody for anything."""

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

for library in ("sphinx", "myst_nb", "furo", "polib", "sphinx-mathjax-offline"):
    if importlib.util.find_spec(library) is None:
        pytest.skip(
            f"the site needs {library}; bring it with: pip install 'rmkeras[site]'",
            allow_module_level=True,
        )

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


class Page(HTMLParser):
    """What a page links to, loads, and shows."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.links, self.loads, self.ids, self.images = [], [], set(), []
        self.language = None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if values.get("id"):
            self.ids.add(values["id"])
        if tag == "html":
            self.language = values.get("lang")
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and values.get("rel") not in ("canonical", "alternate"):
            self.loads.append(values.get("href", ""))
        elif tag in ("img", "script", "iframe", "source", "embed", "video", "audio"):
            self.loads.append(values.get("src") or "")
        if tag == "img":
            self.images.append((values.get("src"), values.get("alt")))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, built from nothing; every warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "source").mkdir()
    command = [sys.executable, "-m", "sphinx", "-c", ROOT / "docs", "-q", "-W"]
    command += ["--keep-going", "-d", folder / "doctrees"]
    done = subprocess.run(
        [*command, folder / "source", folder / "html"],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    said = [line for line in done.stderr.splitlines() if "WARNING: " in line]
    assert done.returncode == 0, "\n".join(said) or done.stderr[-3000:]
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    return {p.relative_to(site).as_posix(): Page(p) for p in site.rglob("*.html")}


def test_every_notebook_has_a_page(pages):
    assert len(NOTEBOOKS) >= 18
    for name in NOTEBOOKS:
        assert f"notebooks/{name}.html" in pages
    for path in (ROOT / "docs").glob("*.md"):
        place = "" if path.stem in ("index", "course") else "docs/"
        assert f"{place}{path.stem}.html" in pages


def test_every_public_name_has_an_entry(site):
    from sphinx.util.inventory import InventoryFile

    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    try:
        from api import exported, extras, first_room, rooms
    finally:
        sys.path.pop(0)
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    entries = set().union(*(v for k, v in inventory.items() if k.startswith("py:")))
    assert len(rooms()) >= 11
    count = 0
    for room in rooms():
        for name in importlib.import_module(room).__all__:
            assert f"{first_room(room, name)}.{name}" in entries
            count += 1
        assert set(exported(room)) == set(importlib.import_module(room).__all__)
    assert count > 200
    for module, names in extras().items():
        for name in names:
            assert f"{module}.{name}" in entries


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for page in pages.values():
        for address in page.loads:
            assert not urlsplit(address).scheme or address.startswith("data:"), (
                f"{page.path} loads {address}"
            )
            assert not address.startswith("//"), f"{page.path} loads {address}"
    for path in site.rglob("*.css"):
        found = re.findall(
            r"(?:@import|url\()\s*['\"]?(?:https?:)?//.*", path.read_text()
        )
        assert not found, f"{path}: {found}"


def test_every_link_and_anchor_leads_somewhere(site, pages):
    count = 0
    for page in pages.values():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = page.path
            if parts.path:
                target = (page.path.parent / unquote(parts.path)).resolve()
            assert target.is_file(), f"{page.path} links to {link}"
            if parts.fragment and target.suffix == ".html":
                there = pages[target.relative_to(site.resolve()).as_posix()]
                anchor = unquote(parts.fragment)
                assert anchor in there.ids, f"{page.path} links to {link}"
            count += 1
    assert count > 1000


def test_every_image_says_in_words_what_it_shows(pages):
    count = 0
    for page in pages.values():
        for source, alt in page.images:
            assert alt, f"{page.path}: {source} has no text alternative"
            # Chinese puts no spaces between words.
            said = re.findall(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+", alt)
            assert Path(source).name not in alt and len(said) >= 4, (
                f"{page.path}: {source} has only the alternative {alt!r}"
            )
            count += 1
    assert count >= 60


def test_figures_are_described_in_chinese_where_the_page_is(pages):
    alts = [
        alt
        for name, page in pages.items()
        if name.startswith("zh_CN/")
        for _, alt in page.images
    ]
    # One that has changed since is in English until somebody translates it.
    chinese = sum(bool(re.search(r"[\u4e00-\u9fff]", alt)) for alt in alts)
    assert len(alts) >= 60
    assert chinese > 0.8 * len(alts)


def test_pages_name_their_language_and_lead_to_the_other(pages):
    translated = [
        name for name in pages if name.startswith(("zh_CN/notebooks/", "zh_CN/docs/"))
    ]
    assert "zh_CN/docs/glossary.html" in translated
    assert "../docs/glossary.html" in pages["zh_CN/notebooks/09_reinforce.html"].links
    for name, page in pages.items():
        assert page.language == ("zh-CN" if name.startswith("zh_CN/") else "en")
    for name in translated:
        english = name.removeprefix("zh_CN/")
        assert f"../../{english}" in pages[name].links
        assert f"../zh_CN/{english}" in pages[english].links


# --- In a browser ---------------------------------------------------------------

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
WIDTHS = (1280, 375)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the browser tests need pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium here; bring one with: apt-get install chromium")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--no-first-run"],
        )
        yield browser
        browser.close()


SHOWN = [
    "index",
    "course",
    *(f"notebooks/{name}" for name in NOTEBOOKS),
    *(f"docs/{name}" for name in ("feedback_files", "scaling", "glossary")),
    *(f"api/rmkeras.{name}" for name in ("metrics", "losses", "feedback")),
    "zh_CN/index",
    "zh_CN/docs/glossary",
]


def test_pages_in_a_browser(browser, site):
    """Offline, wide and narrow: formulas are set, nothing fails, no page scrolls."""
    wrong = []
    tab = browser.new_context(offline=True).new_page()
    tab.set_default_timeout(240_000)
    tab.on("pageerror", lambda error: wrong.append(f"{tab.url}: {error}"))
    tab.on(
        "console",
        lambda m: m.type == "error" and wrong.append(f"{tab.url}: {m.text}"),
    )
    tab.on(
        "request",
        lambda r: (
            r.url.startswith(("file:", "data:", "blob:"))
            or wrong.append(f"{tab.url} asks for {r.url}")
        ),
    )
    formulas = 0
    for name in SHOWN:
        tab.goto((site / f"{name}.html").as_uri())
        if tab.locator(".math").count():
            tab.wait_for_function(
                "window.MathJax && MathJax.startup && MathJax.startup.promise"
            )
            tab.evaluate("MathJax.startup.promise.then(() => 0)")
        raw, done, failed = tab.evaluate(
            "['.math', '.math mjx-container', 'mjx-merror'].map("
            "s => document.querySelectorAll(s).length)"
        )
        if done < raw or failed:
            wrong.append(f"{name}: {done} of {raw} formulas set, {failed} wrong")
        formulas += done
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 800})
            wide = tab.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"{name} is {wide} wide on {width}")
    assert not wrong, "\n".join(wrong)
    assert formulas > 300

    tab.goto((site / "search.html").as_uri() + "?q=pearson")
    tab.wait_for_selector("#search-results li a")
    assert not wrong, "\n".join(wrong)
