"""The teacher's guide says of the notebooks and exercises what is the case."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "teacher.md").read_text(encoding="utf-8")
SOURCE = ROOT / "notebooks" / "exercises" / "source"
HEADING = re.compile(r"## Exercise \d+: .+ \((warm-up|core|open), (\d+) points?\)")
# | 06 preference pairs | 1 | 3 | 1 | 15 |
ROW = re.compile(r"^\| (\d\d) [^|]+\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.M)


def counted(number):
    """Warm-ups, core exercises, open ones and points of one exercise notebook."""
    [path] = SOURCE.glob(f"{number}_*/*.ipynb")
    cells = nbformat.read(path, 4).cells
    found = [m for c in cells for m in HEADING.findall(c.source)]
    kinds = [kind for kind, _ in found]
    points = sum(int(points) for _, points in found)
    return (*map(kinds.count, ("warm-up", "core", "open")), points)


@pytest.mark.parametrize("row", ROW.findall(GUIDE), ids=lambda row: row[0])
def test_the_points_are_those_of_the_exercises(row):
    assert counted(row[0]) == tuple(map(int, row[1:]))


def test_all_exercise_notebooks_are_in_the_table():
    there = sorted(path.parent.name[:2] for path in SOURCE.glob("*/*.ipynb"))
    assert [row[0] for row in ROW.findall(GUIDE)] == there


def test_each_notebook_has_a_week_and_a_row_of_needs():
    weeks, needs = GUIDE.split("## Which notebook needs what")
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        assert f"(../notebooks/{path.name})" in weeks, path.name
        assert re.search(rf"^\| {path.name[:2]} ", needs, re.M), path.name


def test_what_a_notebook_reads_is_in_the_table():
    needs = GUIDE.split("## Which notebook needs what")[1]
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        code = "\n".join(
            c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"
        )
        [row] = re.findall(rf"^\| {path.name[:2]} .*\|$", needs.split("## ")[0], re.M)
        reads = "load_human_ratings" in code
        assert reads == ("ratings" in row), f"{path.name} against {row}"


def test_what_a_notebook_builds_on_is_what_it_says_itself():
    needs = GUIDE.split("## Which notebook needs what")[1].split("## ")[0]
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        opening = nbformat.read(path, 4).cells[0].source
        [line] = [x for x in opening.splitlines() if "*Before this*" in x]
        [row] = re.findall(rf"^\| {path.name[:2]} .*\| ([^|]*) \|$", needs, re.M)
        said = sorted(set(re.findall(r"\]\((\d\d)_", line)))
        assert row == (", ".join(said) or "nothing"), path.name


def test_the_places_in_the_guide_that_are_linked_exist():
    anchors = {
        line.lstrip("#").strip().lower().replace(" ", "-")
        for line in GUIDE.splitlines()
        if line.startswith("## ")
    }
    for target in re.findall(r"\]\(#([^)]+)\)", GUIDE):
        assert target in anchors
