"""Stages the repository's pages for Sphinx, and tells it what notebooks need.

The source folder of the build mirrors the repository (`notebooks/`, `docs/`,
`data/`), with `docs/index.md` and `docs/course.md` at its top. A file that has not
changed is not written again, so a second build reads only what is new.
"""

from __future__ import annotations

import functools
import json
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.errors import ExtensionError
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
HOME = "https://github.com/rmkeras/rmkeras"
TRANSLATION = "zh_CN"
LANGUAGES = {"en": "English", "zh-CN": "中文"}
log = logging.getLogger(__name__)

# [text](target) and ![text](target), not in code; a badge is the one in the other.
_BADGE = re.compile(r"!\[([^\]]*)\]\(https?://[^)\s]+\)")
_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]*)(#[^)\s]*)?(\))")
_ANCHOR = re.compile(r'<a id=\\?"([^"\\]+)')
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)


def setup(app):
    """Connects the hooks and the directives."""
    app.connect("config-inited", stage)
    app.connect("html-page-context", add_languages)
    app.add_directive("course-table", CourseTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# --- What is staged -----------------------------------------------------------


def pages() -> dict[str, Path]:
    """Returns the file behind each page of the site, by its place there."""
    found = {"index.md": ROOT / "docs/index.md", "course.md": ROOT / "docs/course.md"}
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.name not in found:
            found[f"docs/{path.name}"] = path
    exercises = ROOT / "notebooks/exercises/README.md"
    if exercises.is_file():
        found["docs/exercises.md"] = exercises
    for path in sorted((ROOT / "docs/api").glob("*.md")):
        found[f"api/{path.name}"] = path
    for path in sorted((ROOT / "data").glob("*.md")):
        found[f"data/{path.name}"] = path
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        found[f"notebooks/{path.name}"] = path
    return found


def translations(folder: Path) -> dict[str, Path]:
    """Builds what is translated into `folder` and returns it like `pages`."""
    tool = ROOT / "tools" / "translate.py"
    if not tool.is_file():
        return {}
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, tool, "build", "--no-data", "--out", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ExtensionError(f"tools/translate.py build failed:\n{done.stderr}")
    notebooks = {
        f"{TRANSLATION}/notebooks/{path.name}": path
        for path in sorted(folder.glob("*.ipynb"))
        # A notebook that nobody has translated yet is all English.
        if "translation" in json.loads(path.read_text(encoding="utf-8"))["metadata"]
    }
    docs = sorted(folder.glob("docs/*.md"))
    return notebooks | {f"{TRANSLATION}/docs/{path.name}": path for path in docs}


def stage(app, config) -> None:
    """Copies all pages into the source folder, mended, and removes what is gone."""
    source = Path(app.srcdir)
    if source.resolve() == ROOT / "docs":
        raise ExtensionError(
            "the source folder must be an empty one: sphinx-build -c docs SOURCE OUT"
        )
    found = pages()
    zh = translations(Path(app.doctreedir).parent / "translated")
    staged = set()
    for place, path in (found | zh).items():
        text = path.read_text(encoding="utf-8")
        mend = Mender(place, path, found, zh)
        if path.suffix == ".ipynb":
            text = mend.notebook(text)
        else:
            text = mend.markdown(text)
        write(source / place, text.encode())
        staged.add(source / place)
    for path in sorted((ROOT / "docs").glob("*.png")):
        write(source / "docs" / path.name, path.read_bytes())
        staged.add(source / "docs" / path.name)
    from api import api_pages

    for place, text in api_pages().items():
        write(source / place, text.encode())
        staged.add(source / place)
    write(source / TRANSLATION / "index.md", chinese_index(zh).encode())
    staged.add(source / TRANSLATION / "index.md")
    for path in list(source.rglob("*")):
        if path.is_file() and path not in staged:
            path.unlink()


def write(path: Path, content: bytes) -> None:
    """Writes a file unless it says the same already."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@functools.cache
def anchors(path: Path) -> frozenset[str]:
    """Returns the places of a file that are named by HTML, `<a id="…">`."""
    return frozenset(_ANCHOR.findall(path.read_text(encoding="utf-8")))


class Mender:
    """Makes a file of the repository fit for the site.

    Args:
        place: Where the page goes in the source folder.
        path: The file.
        found: The pages, as `pages` returns them.
        zh: The translated notebooks and pages.
    """

    def __init__(self, place, path, found, zh):
        self.place = place
        self.path, self.folder = path, path.parent
        self.by_file = {p.resolve(): k for k, p in found.items()}
        self.by_file[ROOT / "notebooks"] = "course.md"
        # Links between translated notebooks: to English where there is no other.
        for translated in zh.values():
            folder = translated.parent.resolve()
            for k, p in found.items():
                self.by_file.setdefault(folder / p.name, k)
            if translated.suffix == ".ipynb":
                self.by_file[folder] = f"{TRANSLATION}/index.md"
        self.by_file |= {p.resolve(): k for k, p in zh.items()}

    def markdown(self, text: str) -> str:
        """Returns Markdown with its badges and links mended."""
        held = []

        def hold(match):
            held.append(match[0])
            return f"\0{len(held) - 1}\0"

        text = self._prose(_CODE.sub(hold, text))
        return re.sub("\0(\\d+)\0", lambda m: held[int(m[1])], text)

    def _prose(self, text: str) -> str:
        text = _BADGE.sub(lambda m: m[1] or "image", text)
        return _LINK.sub(self._link, text)

    def _link(self, match) -> str:
        before, target, anchor, after = match.groups()
        target = target.removeprefix(f"{HOME}/blob/main/notebooks/")
        if re.match(r"[a-z]+:", target) or target.startswith("/"):
            return match[0]
        file = (self.folder / target).resolve() if target else self.path.resolve()
        inside = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
        if file in self.by_file:
            goal = self.by_file[file]
        elif inside.startswith("docs/") and file.suffix == ".png" and file.is_file():
            goal = inside
        elif inside and file.exists():
            kind = "tree" if file.is_dir() else "blob"
            return f"{before}{HOME}/{kind}/main/{inside}{anchor or ''}{after}"
        else:
            log.warning("%s links to %s, which is not there", self.place, target)
            return match[0]
        goal = posixpath.relpath(goal, posixpath.dirname(self.place) or ".")
        if anchor and anchor[1:] in anchors(file):
            # Sphinx does not know these; the browser does, and the tests look.
            page = goal.rpartition(".")[0] + ".html" if target else ""
            return f'<a href="{page}{anchor}">{before[1:-2]}</a>'
        if anchor and file.suffix == ".ipynb":
            # Jupyter keeps capitals and signs of a heading, MyST does not.
            anchor = "#" + re.sub(r"[^\w-]", "", anchor.lower())
        return f"{before}{goal if target else ''}{anchor or ''}{after}"

    def notebook(self, text: str) -> str:
        """Returns a notebook with its prose mended and its figures described."""
        book = json.loads(text)
        # What drew the widgets is not here; their text alternative is.
        book["metadata"].pop("widgets", None)
        for cell in book["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = self.markdown("".join(cell["source"]))
            elif "alt" in cell["metadata"]:
                image = {"alt": cell["metadata"]["alt"]}
                cell["metadata"]["mystnb"] = {"image": image}
        return json.dumps(book, ensure_ascii=False, indent=1)


# --- The course at a glance ---------------------------------------------------


def first_cell(path: Path) -> str:
    """Returns the first cell of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "".join(cells[0]["source"])


def title(path: Path) -> str:
    """Returns the title of a notebook."""
    return re.search(r"^# (.+)$", first_cell(path), re.MULTILINE)[1]


def chinese_index(zh: dict) -> str:
    """Returns the page that leads to the translated notebooks and pages."""
    lines = ["# 中文", "", "课程的简体中文版。代码与英文版相同。", "", "```{toctree}"]
    lines += [":maxdepth: 1", ""]
    inside = (place.removeprefix(f"{TRANSLATION}/") for place in zh)
    lines += [place.rpartition(".")[0] for place in inside]
    return "\n".join([*lines, "```", ""])


class CourseTable(Directive):
    """Lists the notebooks: what each is for, and how long it takes.

    Made from their first cells, so that it says what they say.
    """

    def run(self):
        """Returns the list."""
        lines = []
        for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
            text = first_cell(path)
            able = re.search(
                r"\*\*After[^*]*\*\*:?\s*(.+?)(?=\n\n\*|\Z)", text, re.DOTALL
            )
            time = re.search(r"\*Time\*:\s*([^.]+)\.", text)
            lines.append(f"[{title(path)}](/notebooks/{path.name})")
            said = able[1] if able else ""
            # A list of things becomes one sentence.
            said = re.sub(r"^[*-] ", "", said, flags=re.MULTILINE)
            said = " ".join(said.split())
            said = said[:1].upper() + said[1:]
            took = (
                f" *{time[1].strip()[:1].upper()}{time[1].strip()[1:]}.*"
                if time
                else ""
            )
            lines += [f": {said}{took}".rstrip(), ""]
        node = nodes.container(classes=["course"])
        self.state.nested_parse(StringList(lines, "course-table"), 0, node)
        return [node]


# --- Two languages ------------------------------------------------------------


def add_languages(app, pagename, templatename, context, doctree) -> None:
    """Gives a page its language and, where there is one, its other language."""
    prefix = f"{TRANSLATION}/"
    here = "zh-CN" if pagename.startswith(prefix) else "en"
    # What `<html lang=…>` says.
    context["language"] = here
    if here == "en":
        other, goal = "zh-CN", prefix + pagename
        goal = f"{prefix}index" if pagename in ("index", "course") else goal
    else:
        other, goal = "en", pagename.removeprefix(prefix)
        goal = "course" if goal == "index" else goal
    if goal in app.env.found_docs:
        context["other_language"] = {
            "code": other,
            "name": LANGUAGES[other],
            "page": goal,
        }
