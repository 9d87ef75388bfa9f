"""Writes notebooks and pages in another language: the English, prose replaced."""

import copy
import json
import os
import posixpath
import re
import shutil
from html import escape
from pathlib import Path
from urllib.parse import unquote

from translation_catalogues import (
    STATES,
    Course,
    TranslateError,
    alt_of,
    read_notebook,
    read_page,
    source_of,
)

# What the reader sees above a cell whose English has changed since it was translated.
BEHIND = {
    "zh_CN": "> **译文落后于英文原文。** 这一格的英文已经修改，下面仍是旧译文，"
    "请以[英文原文]({link})为准。",
}
# What stands at the top of a page some pieces of which are shown in English.
PARTLY = {
    "zh_CN": "> **译文落后于英文原文。** 这一页有 {count} 处的英文已经修改或尚未翻译，"
    "这些地方显示[英文原文]({link})。",
}


def _as_in_file(source: str, like: str | list[str]) -> str | list[str]:
    return source if isinstance(like, str) else source.splitlines(keepends=True)


_RELATIVE = re.compile(r"(\]\(\s*<?)(?![a-z]+:|#|/)([^()\s<>#]+)")


def _with_links(source: str, course: Course, origin: Path, out: Path) -> str:
    """Re-points links for a text that moves from one place to another.

    Args:
      source: Markdown.
      course: the notebooks and pages; links to what is translated stay among the
        translations.
      origin: the English file.
      out: the folder of the translated notebooks.
    """
    here = built_path(course, origin, out).parent.resolve()

    def move(match: re.Match) -> str:
        target = match.group(2)
        file = (origin.parent / target).resolve()
        if not file.exists():
            return match.group()
        if file == course.folder.resolve():
            file = out.resolve()
        elif file.parent == course.folder.resolve() and file.name in course.names:
            file = out.resolve() / file.name
        elif file in course.translated_pages:
            file = built_path(course, file, out).resolve()
        moved = Path(os.path.relpath(file, here)).as_posix()
        return match.group(1) + moved

    return _RELATIVE.sub(move, source)


def built_path(course: Course, path: Path, out: Path) -> Path:
    """Returns where the translation of a notebook or page is written to."""
    return out / "docs" / path.name if path.suffix == ".md" else out / path.name


_FRAGMENT = re.compile(r"\]\(\s*<?([^()\s<>#]*)#([^()\s<>]+)")
_HEADING = re.compile(r"^#{1,6} +(.+?)[ #]*$", re.M)


def linked_headings(course: Course) -> dict[str, set[str]]:
    """Finds which headings of the English notebooks are linked to.

    Args:
      course: the notebooks.

    Returns:
      For each notebook's name the fragments of links to it, as Jupyter makes them of
      headings (`#4-·-Where-to-run-it`).
    """
    found = {name: set() for name in course.names}
    for name in course.names:
        for cell in read_notebook(course.folder / name)["cells"]:
            if cell["cell_type"] != "markdown":
                continue
            for target, fragment in _FRAGMENT.findall(source_of(cell)):
                # An address leads to the notebook too, on the site and elsewhere.
                there = target.rpartition("/")[2] if target else name
                if there in found:
                    found[there].add(unquote(fragment))
    return found


def _with_anchors(english: str, translated: str, linked: set[str]) -> str:
    """Keeps links to English headings alive: marks their translations by name."""
    names = [match[1].replace(" ", "-") for match in _HEADING.finditer(english)]
    headings = list(_HEADING.finditer(translated))
    if len(names) != len(headings):
        return translated
    for name, heading in reversed(list(zip(names, headings, strict=True))):
        if name in linked and name != heading[1].replace(" ", "-"):
            start = heading.start()
            anchor = f'<a id="{escape(name)}"></a>\n\n'
            translated = translated[:start] + anchor + translated[start:]
    return translated


def _with_note(translated: str, note: str) -> str:
    """Puts the note under the cell's heading, or on top where it has none."""
    first, line, rest = translated.partition("\n")
    if first.startswith("#"):
        return f"{first}\n\n{note}\n{line}{rest}".rstrip("\n")
    return f"{note}\n\n{translated}"


def translate(course: Course, notebook: Path, out: Path, english: str) -> dict:
    """Returns a notebook with its translated cells.

    Args:
      course: the notebooks and catalogues.
      notebook: the English notebook.
      out: the folder that it will be written to; links are relative to it.
      english: where the English notebooks are for a reader of `out`; note that a
        cell that is behind links there.

    Returns:
      The notebook. Code cells and outputs are the English ones, a missing cell is
      in English, a cell that is behind carries a note. What a figure shows is in
      English while its translation is missing or behind. Without any translation
      it is the original, but for links.
    """
    content = read_notebook(notebook)
    result = copy.deepcopy(content)
    cells = {cell.id: cell for cell in course.cells(notebook, content)}
    linked = linked_headings(course)[notebook.name]
    count = dict.fromkeys(STATES, 0)
    for cell in result["cells"]:
        if alt_of(cell):
            alt = cells[f"alt:{cell['id']}"]
            count[alt.state] += 1
            # No note fits here, and a wrong description is worse than an English one.
            if alt.state == "translated":
                cell["metadata"]["alt"] = alt.entry.msgstr
        if cell["cell_type"] != "markdown":
            continue
        source = source_of(cell)
        paired = cells.get(cell["id"])
        if paired:
            count[paired.state] += 1
            if paired.state != "missing":
                source = paired.entry.msgstr
        source = _with_links(source, course, notebook, out)
        if paired:
            # After the links: the note leads to the English, not to the translation.
            if paired.state == "behind":
                note = BEHIND[course.language]
                source = _with_note(
                    source, note.format(link=f"{english}/{notebook.name}")
                )
            if paired.state != "missing":
                source = _with_anchors(paired.english, source, linked)
        if source != source_of(cell):
            cell["source"] = _as_in_file(source, cell["source"])
    if count["translated"] + count["behind"]:
        result["metadata"]["translation"] = {
            "language": course.language.replace("_", "-"),
            "source": notebook.name,
            "cells": count,
        }
    return result


def translate_page(course: Course, page: Path, out: Path, english: str) -> str:
    """Returns a page with its translated pieces; the others are in English.

    Args:
      course: the notebooks, pages and catalogues.
      page: the English page.
      out: the folder of the translated notebooks.
      english: where the English notebooks are for a reader of `out`.

    Returns:
      Markdown. If anything is behind or missing, a note under the title says so.
    """
    cells = {cell.id: cell for cell in course.cells(page)}
    pieces, page_blocks = [], read_page(page)
    linked = set(re.findall(r"\]\(#([^()\s]+)\)", "".join(b.raw for b in page_blocks)))
    for block in page_blocks:
        if not block.id or cells[block.id].state != "translated":
            pieces.append(block.raw)
            continue
        # As GitHub and Sphinx name a heading: links within the page stay alive.
        name = re.sub(r"[^\w -]", "", block.english.lstrip("# ").lower())
        name = name.replace(" ", "-")
        if block.english.startswith("#") and name in linked:
            pieces.append(f'<a id="{name}"></a>\n\n')
        pieces.append(block.with_text(cells[block.id].entry.msgstr))
    text = _with_links("".join(pieces), course, page, out)
    count = sum(cell.state != "translated" for cell in cells.values())
    if count:
        link = f"{english}/../docs/{page.name}"
        scheme, colon, rest = link.partition("://")
        if colon:
            link = scheme + colon + posixpath.normpath(rest)
        else:
            link = posixpath.normpath(f"../{link}")
        note = PARTLY[course.language].format(count=count, link=link)
        title, line, rest = text.partition("\n")
        text = f"{title}\n\n{note}\n{line}{rest}".replace("\n\n\n", "\n\n")
    return text


_READ_BESIDE = re.compile(r"""["'](\.\./[^"'\n]+\.\w+)["']""")


def _files_read(content: dict, course: Course) -> set[str]:
    """Finds files beside the notebooks' folder that code cells name."""
    return {
        name
        for cell in content["cells"]
        if cell["cell_type"] == "code"
        for name in _READ_BESIDE.findall(source_of(cell))
        if (course.folder / name).is_file()
    }


def build(
    course: Course, out: Path, english: str | None = None, data: bool = True
) -> int:
    """Writes the translated notebooks, complete and ready to run, and the pages.

    Args:
      course: the notebooks and catalogues.
      out: the folder to write to; pages go to `docs` in it.
      english: where the English notebooks are, relative to `out` or an address.
      data: copy the files that code cells read from beside the notebooks' folder
        to beside `out`, so that the notebooks run there.

    Returns:
      The exit code.

    Raises:
      TranslateError: if `out` would overwrite the English or cannot be written.
    """
    inside = out.resolve() == course.folder.resolve()
    if inside or course.folder.resolve() in out.resolve().parents:
        raise TranslateError(f"{out}: would write into the English notebooks' folder")
    if (out / "docs").resolve() == course.docs.resolve():
        raise TranslateError(f"{out}: would write into the English pages' folder")
    # All are read before one is written: a broken catalogue leaves no half course.
    if english is None:
        moved = os.path.relpath(course.folder.resolve(), out.resolve())
        english = Path(moved).as_posix()
    built = {path: translate(course, path, out, english) for path in course.notebooks}
    pages = {
        path: translate_page(course, path, out, english)
        for path in course.pages
        if path in course.paths and path.resolve() in course.translated_pages
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, content in built.items():
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            (out / path.name).write_text(text, encoding="utf-8")
            for name in _files_read(content, course) if data else ():
                target, origin = out / name, course.folder / name
                if target.resolve() != origin.resolve():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(origin, target)
        for path, text in pages.items():
            target = built_path(course, path, out)
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TranslateError(f"{out}: cannot be written: {error}") from None
    print(f"{len(built)} notebooks and {len(pages)} pages in {out}")
    for path in sorted(out.glob("*.ipynb")):
        if path.name not in course.names:
            print(f"{path}: no such notebook in the course; left as it is")
    return 0
