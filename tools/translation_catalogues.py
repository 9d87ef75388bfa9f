"""Notebooks and pages beside the catalogues of their translations.

A catalogue has one entry a Markdown cell, a text alternative of a figure, or a piece
of a page; tools/translate.py says more.
"""

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path

import polib
from translation_pages import Block, blocks

# The pages of `docs/` beside the notebooks' folder that are translated too.
PAGES = ("glossary.md", "teacher.md")
STATES = ("translated", "behind", "missing")


class TranslateError(Exception):
    """Something that whoever runs this can mend; ends in one message."""


@dataclass
class Cell:
    """A piece of English beside its catalogue entry (None: there is none).

    `id` is a Markdown cell's id, `alt:` and a code cell's id for what its figure
    shows in words, or the beginning of a piece of a page.
    """

    id: str
    english: str
    entry: polib.POEntry | None

    @property
    def state(self) -> str:
        """One of `STATES`; measured against the English, not the catalogue."""
        if self.entry is None or not self.entry.msgstr.strip():
            return "missing"
        if self.entry.fuzzy or self.entry.msgid != self.english:
            return "behind"
        return "translated"


def read_notebook(path: Path) -> dict:
    """Reads a notebook and makes sure that its cells can be told apart.

    Args:
      path: an `.ipynb` file.

    Returns:
      The notebook as plain JSON.

    Raises:
      TranslateError: if it is no notebook, or cells have no ids of their own.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        ids = [
            cell["id"]
            for cell in notebook["cells"]
            if cell["cell_type"] == "markdown" or alt_of(cell)
        ]
    except OSError as error:
        raise TranslateError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError) as error:
        raise TranslateError(f"{path}: not a notebook: {error}") from None
    except KeyError as error:
        raise TranslateError(
            f"{path}: not a notebook of format 4.5, whose cells have ids: "
            f"{error} is missing; open and save it in JupyterLab"
        ) from None
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise TranslateError(f"{path}: two cells have the id {', '.join(twice)}")
    return notebook


def source_of(cell: dict) -> str:
    """Returns a cell's source as one string (the format allows a list of lines)."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def alt_of(cell: dict) -> str:
    """Returns what a code cell's figure shows in words; empty if it says nothing."""
    alt = cell.get("metadata", {}).get("alt")
    said = cell["cell_type"] == "code" and isinstance(alt, str) and alt.strip()
    return alt if said else ""


_STRING_LINE = re.compile(r'(?:#~ |#\| )*(?:msgctxt |msgid |msgstr )?(".*)$')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def read_catalogue(path: Path, language: str) -> polib.POFile:
    """Reads a catalogue; a missing file is an empty catalogue.

    Args:
      path: a `.po` file.
      language: the language that its header has to name.

    Returns:
      The catalogue, obsolete entries included.

    Raises:
      TranslateError: if it is broken; the message names file and line.
    """
    if not path.exists():
        catalogue = polib.POFile(wrapwidth=0)
        catalogue.metadata = {
            "Project-Id-Version": "rmkeras",
            "Language": language,
            "MIME-Version": "1.0",
            "Content-Type": "text/plain; charset=UTF-8",
            "Content-Transfer-Encoding": "8bit",
        }
        return catalogue
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise TranslateError(f"{path}, line {line}: not UTF-8; save it so") from None
    except OSError as error:
        raise TranslateError(f"{path}: cannot be read: {error.strerror}") from None
    # polib takes the last character of an unclosed string for its quote and drops it.
    for number, line in enumerate(text.split("\n"), 1):
        match = _STRING_LINE.match(line.strip())
        if match and not _STRING.fullmatch(match.group(1)):
            raise TranslateError(
                f"{path}, line {number}: a string that does not end, or a quote in "
                f'it without \\ before it: {line.strip()[:60]}; write \\" for "'
            )
    try:
        catalogue = polib.pofile(str(path), encoding="utf-8", wrapwidth=0)
    except OSError as error:
        where = re.search(r"\(line (\d+)\)(?:: (.*))?", str(error))
        line, why = where.groups() if where else ("?", str(error))
        raise TranslateError(
            f"{path}, line {line}: not a PO catalogue{': ' + why if why else ''}; "
            "mend the line, or bring the file back from git"
        ) from None
    named = catalogue.metadata.get("Language")
    if named != language:
        raise TranslateError(
            f"{path}: the header names the language {named}, its folder {language}"
        )
    seen = set()
    for entry in catalogue:
        if not entry.msgctxt:
            raise TranslateError(
                f"{path}, line {entry.linenum}: an entry without msgctxt, which says "
                "what it translates, such as a cell's id; `extract` writes entries"
            )
        key = (entry.msgctxt, entry.obsolete)
        if key in seen and not entry.obsolete:
            raise TranslateError(
                f"{path}, line {entry.linenum}: a second entry for "
                f"{entry.msgctxt}; keep one of the two"
            )
        seen.add(key)
    return catalogue


class Course:
    """The notebooks and pages of a course beside their catalogues in one language.

    Args:
      notebooks: the folder of the English notebooks; the pages are in `../docs`.
      language: such as `zh_CN`; the catalogues are in `translations/LANGUAGE`.
      only: beginnings of file names, such as `03`; empty for all.

    Raises:
      TranslateError: if a folder, notebook or page is not there.
    """

    def __init__(self, notebooks: Path, language: str, only: list[str] | None = None):
        if not notebooks.is_dir():
            raise TranslateError(f"{notebooks}: no such folder")
        self.folder, self.language = notebooks, language
        self.catalogues = notebooks / "translations" / language
        every = sorted(notebooks.glob("*.ipynb"))
        if not every:
            raise TranslateError(f"{notebooks}: no notebooks (*.ipynb) in it")
        self.names = {path.name for path in every}
        self.docs = notebooks.parent / "docs"
        pages = [self.docs / name for name in PAGES if (self.docs / name).is_file()]
        # All of them, whatever `only` says: links need to know what is translated.
        self.pages = pages
        every += pages
        self._stems = {path.stem for path in every}
        for start in only or ():
            if not any(path.name.startswith(start) for path in every):
                raise TranslateError(
                    f"{start}: no notebook or page begins so; there are "
                    + ", ".join(path.stem for path in every)
                )
        self.paths = [
            path for path in every if not only or path.name.startswith(tuple(only))
        ]
        self.notebooks = [path for path in self.paths if path.suffix == ".ipynb"]

    @functools.cached_property
    def translated_pages(self) -> set[Path]:
        """The pages of which something is translated; the others are not built."""
        return {
            page.resolve()
            for page in self.pages
            if any(cell.state == "translated" for cell in self.cells(page))
        }

    def catalogue_path(self, path: Path) -> Path:
        """Returns where the catalogue of a notebook or page is or will be."""
        return self.catalogues / f"{path.stem}.po"

    def orphans(self) -> list[Path]:
        """Returns the catalogues whose notebook or page is gone."""
        return sorted(
            path
            for path in self.catalogues.glob("*.po")
            if path.stem not in self._stems
        )

    def cells(self, path: Path, content: dict | None = None) -> list[Cell]:
        """Pairs what a notebook or page says in words with its entries.

        Args:
          path: a notebook, or a page (`.md`).
          content: the notebook, if it has been read already.

        Returns:
          Markdown cells and text alternatives, or the pieces of a page, in order.
        """
        catalogue = read_catalogue(self.catalogue_path(path), self.language)
        entries = {entry.msgctxt: entry for entry in catalogue if not entry.obsolete}
        if path.suffix == ".md":
            english = [(each.id, each.english) for each in read_page(path) if each.id]
        else:
            english = _prose(content or read_notebook(path))
        return [Cell(key, text, entries.get(key)) for key, text in english]


def _prose(notebook: dict) -> list[tuple[str, str]]:
    """Returns names and texts of what a notebook says in words, in order."""
    found = []
    for cell in notebook["cells"]:
        if alt_of(cell):
            found.append((f"alt:{cell['id']}", alt_of(cell)))
        # A cell without text needs no translation.
        elif cell["cell_type"] == "markdown" and source_of(cell).strip():
            found.append((cell["id"], source_of(cell)))
    return found


def read_page(path: Path) -> list[Block]:
    """Reads a page of Markdown and takes it apart.

    Raises:
      TranslateError: if it cannot be read.
    """
    try:
        return blocks(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TranslateError(f"{path}: cannot be read: {error}") from None


def update(catalogue: polib.POFile, cells: list[tuple[str, str]]) -> polib.POFile:
    """Brings a catalogue up to date with the English; loses no translation.

    Args:
      catalogue: the catalogue as it was.
      cells: id and English of each `Cell`, in order.

    Returns:
      A new catalogue. A changed cell is fuzzy and keeps the English that was
      translated as its previous msgid; if the English comes back, so does the
      translation. A removed cell is obsolete, and is found again by its id or text.
    """
    new = polib.POFile(wrapwidth=0)
    new.metadata = dict(catalogue.metadata)
    live = {entry.msgctxt: entry for entry in catalogue if not entry.obsolete}
    ids = {key for key, _ in cells}
    lost = [entry for key, entry in live.items() if key not in ids]
    lost += [entry for entry in catalogue if entry.obsolete]
    found_again = []
    for key, english in cells:
        old = live.get(key)
        if old is None:
            # Editors give a cell that is cut and pasted a new id.
            same = [e for e in lost if e.msgctxt == key or e.msgid == english]
            found_again += same[:1]
            old = same[0] if same else polib.POEntry(msgid=english)
        entry = polib.POEntry(
            msgctxt=key, msgid=english, msgstr=old.msgstr, tcomment=old.tcomment
        )
        entry.flags = [flag for flag in old.flags if flag != "fuzzy"]
        translated_from = (old.fuzzy and old.previous_msgid) or old.msgid
        # Fuzzy without a previous text is a translator's own doubt: it stays.
        doubt = old.fuzzy and not old.previous_msgid
        if entry.msgstr and (translated_from != english or doubt):
            entry.flags.append("fuzzy")
            if translated_from != english:
                entry.previous_msgid = translated_from
        new.append(entry)
    for entry in lost:
        if entry.msgstr and not any(entry is other for other in found_again):
            entry.obsolete = True
            new.append(entry)
    return new
