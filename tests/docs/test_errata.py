"""The errata: each entry fails in one cell, holds in the next, and leads on."""

import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
CELLS = nbformat.read(ROOT / "notebooks" / "errata.ipynb", 4).cells
HEADING = re.compile(r"### (\d+) · (.+)")


def entries():
    """Heading cell, wrong cell, what holds, right cell of each entry."""
    starts = [i for i, c in enumerate(CELLS) if HEADING.search(c.source)]
    return [CELLS[i : i + 4] for i in starts]


def test_each_entry_shows_the_error_and_the_correction():
    for claim, wrong, holds, right in entries():
        name = HEADING.search(claim.source)[0]
        kinds = [c.cell_type for c in (claim, wrong, holds, right)]
        assert kinds == ["markdown", "code"] * 2, name
        assert re.search(r"\*Read in texts? [1-5]", claim.source), name
        assert holds.source.startswith("*What holds.*"), name
        for cell in (wrong, right):
            assert "assert " in cell.source and cell.outputs, name


def test_each_entry_leads_to_a_notebook_that_exists():
    for claim, _, holds, _ in entries():
        links = re.findall(r"\[\d\d\]\(([^)]+\.ipynb)\)", holds.source)
        assert links, claim.source
        for link in links:
            assert (ROOT / "notebooks" / link).is_file(), link


def test_the_contents_are_those_of_the_page():
    listed = re.findall(r'^(\d+)\. <a href="#e(\d+)">(.+)</a>$', CELLS[0].source, re.M)
    there = [HEADING.search(claim.source).groups() for claim, *_ in entries()]
    assert [(n, title) for n, _, title in listed] == there
    assert all(f'<a id="e{n}"></a>' in c[0].source for n, c in enumerate(entries(), 1))
    assert f"recognise {len(there)} errors" in CELLS[0].source


def test_every_text_is_read_and_none_is_quoted():
    read = " ".join(re.findall(r"\*Read in texts? ([^.]*)\.", str(CELLS)))
    assert set(re.findall(r"[1-5]", read)) == set("12345")
    assert not re.search(r"[\u4e00-\u9fff]", str(CELLS)), "no sentence of theirs"
