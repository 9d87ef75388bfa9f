"""The course in another language: code single-sourced, prose translated.

Each notebook has one PO catalogue a language, for example
`notebooks/translations/zh_CN/01_attention_math.po`, with one entry a Markdown cell:
`msgctxt` is the cell's id, `msgid` its English source, `msgstr` the translation. What a
figure shows in words, `alt` in a code cell's metadata, is an entry `alt:ID`. Code and
outputs are in no catalogue, so they cannot drift apart. The glossary and the teacher's
guide have catalogues too, with one entry a paragraph, list item or table row.

    python tools/translate.py extract   write or update the catalogues
    python tools/translate.py status    what is translated, behind or missing
    python tools/translate.py check     compare formulas, code, links, numbers
    python tools/translate.py build     write the translated notebooks and pages

docs/translating.md says how to work with it.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from translation_build import BEHIND, build
from translation_catalogues import (
    STATES,
    Course,
    TranslateError,
    read_catalogue,
    update,
)
from translation_checks import differences, slips

ROOT = Path(__file__).resolve().parent.parent


def extract(course: Course) -> int:
    """Creates and updates the catalogues; prints what changed."""
    course.catalogues.mkdir(parents=True, exist_ok=True)
    for notebook in course.paths:
        path = course.catalogue_path(notebook)
        cells = [(cell.id, cell.english) for cell in course.cells(notebook)]
        text = str(update(read_catalogue(path, course.language), cells))
        if not text.endswith("\n"):
            text += "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        print(f"{'updated' if path.exists() else 'created'} {path}")
        # Whole or not at all: a catalogue is hours of somebody's work.
        draft = path.with_suffix(".po.new")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    return 0


def status(course: Course, strict: bool = False) -> int:
    """Prints a line a catalogue, and each entry behind; returns the exit code."""
    width = max(len(path.stem) for path in course.paths)
    totals = dict.fromkeys(STATES, 0)
    print(f"{'':{width}}  " + "  ".join(f"{state:>10}" for state in STATES))
    for notebook in course.paths:
        cells = course.cells(notebook)
        count = {state: sum(c.state == state for c in cells) for state in STATES}
        for state in STATES:
            totals[state] += count[state]
        numbers = "  ".join(f"{count[state]:10}" for state in STATES)
        print(f"{notebook.stem:{width}}  {numbers}")
        for cell in cells:
            if cell.state == "behind":
                print(f"  behind: {cell.id}  {cell.english.split(chr(10))[0][:60]}")
    print(f"{'all':{width}}  " + "  ".join(f"{totals[s]:10}" for s in STATES))
    orphans = course.orphans()
    for path in orphans:
        print(f"{path}: its English is gone; delete the file or rename it")
    return int(strict and bool(totals["behind"] + totals["missing"] + len(orphans)))


def unwanted_terms(course: Course) -> dict[str, str]:
    """Reads terms.md: which words are not used, and what is said instead.

    The table's columns are English, translation, and (optional) what is not said,
    several separated by 、.
    """
    path = course.catalogues / "terms.md"
    if not path.exists():
        return {}
    words, in_body = {}, False
    for line in path.read_text(encoding="utf-8").splitlines():
        columns = [column.strip() for column in line.strip().strip("|").split("|")]
        if set(line) <= set("|-: ") and line.startswith("|"):
            in_body = True
        elif in_body and line.startswith("|") and len(columns) >= 3:
            words.update({w: columns[1] for w in columns[2].split("、") if w})
    return words


def check(course: Course) -> int:
    """Prints how translations differ from the English; returns the exit code.

    Entries that are behind are left out: `status` lists them.
    """
    unwanted, found = unwanted_terms(course), 0
    for notebook in course.paths:
        for cell in course.cells(notebook):
            if cell.state != "translated":
                continue
            translated = cell.entry.msgstr
            problems = list(differences(cell.english, translated))
            if course.language.startswith("zh"):
                problems += slips(translated)
            problems += [
                f"terms.md says {instead}, here is {word}"
                for word, instead in unwanted.items()
                if word in translated
            ]
            for problem in problems:
                print(f"{notebook.stem}, cell {cell.id}: {problem}")
            found += len(problems)
    print(f"{found} differences" if found else "no differences")
    return int(found > 0)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="translate.py", description="The course in another language."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "only", nargs="*", metavar="NAME", help="beginnings of names, such as 03"
    )
    common.add_argument("--language", default="zh_CN", choices=sorted(BEHIND))
    common.add_argument("--notebooks", type=Path, default=ROOT / "notebooks")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("extract", parents=[common], help="write or update catalogues")
    sub = commands.add_parser("status", parents=[common], help="what is translated")
    sub.add_argument(
        "--strict", action="store_true", help="exit 1 if anything is behind or missing"
    )
    commands.add_parser(
        "check", parents=[common], help="compare formulas, code, links, numbers"
    )
    sub = commands.add_parser("build", parents=[common], help="write the notebooks")
    sub.add_argument("--out", type=Path, help="default: build/LANGUAGE")
    sub.add_argument(
        "--english", help="where the English notebooks are, as seen from --out"
    )
    sub.add_argument(
        "--no-data", action="store_true", help="copy no files that the notebooks read"
    )
    options = parser.parse_args(arguments)
    try:
        course = Course(options.notebooks, options.language, options.only)
        if options.command == "extract":
            return extract(course)
        if options.command == "status":
            return status(course, options.strict)
        if options.command == "check":
            return check(course)
        out = options.out or ROOT / "build" / options.language
        return build(course, out, options.english, not options.no_data)
    except TranslateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
