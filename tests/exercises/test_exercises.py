"""The exercises: their form, their solutions, their checks.

Each notebook in `notebooks/exercises/source` is read as a list of exercises and
run in this process, cell by cell, in one namespace, as a kernel would. That is
what nbgrader does, without the seconds that a kernel takes to start; one assignment
goes through nbgrader itself in `test_grading.py`.
"""

import ast
import builtins
import contextlib
import copy
import dataclasses
import linecache
import os
import re
import runpy
import symtable
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["MPLBACKEND"] = "Agg"

import nbformat
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is in the extra `course`")

from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)

ROOT = Path(__file__).resolve().parents[2]
COURSE = ROOT / "notebooks"
SOURCE = COURSE / "exercises" / "source"
WRONG_ANSWERS = Path(__file__).parent / "wrong_answers"

HEADING = re.compile(
    r"## Exercise (?P<number>\d+): (?P<title>.+) "
    r"\((?P<kind>warm-up|core|open), (?P<points>\d+) points?\)"
)
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.DOTALL)


@dataclasses.dataclass
class Exercise:
    """The cells of one exercise."""

    number: int
    kind: str
    points: int
    statement: nbformat.NotebookNode
    solution: nbformat.NotebookNode
    look: list
    check: nbformat.NotebookNode

    @property
    def name(self):
        return self.solution.metadata.nbgrader.grade_id


def role(cell):
    """Returns what nbgrader takes a cell for."""
    meta = cell.metadata.get("nbgrader", {})
    if meta.get("grade"):
        return "check"
    if meta.get("solution"):
        return "solution"
    return "locked" if meta.get("locked") else "plain"


def path_of(name):
    return SOURCE / name / f"{name}.ipynb"


def read(name):
    return nbformat.read(path_of(name), as_version=4)


def exercises_of(nb):
    """Returns the exercises of a notebook; its first two cells are not theirs."""
    groups = []
    for cell in nb.cells[2:]:
        if cell.cell_type == "markdown" and cell.source.startswith("## Exercise"):
            groups.append([cell])
        else:
            assert groups, f"cell {cell.id} stands before the first exercise"
            groups[-1].append(cell)
    found = []
    for cells in groups:
        heading = HEADING.fullmatch(cells[0].source.splitlines()[0])
        assert heading, (
            f"cell {cells[0].id} should begin with "
            "'## Exercise K: Title (warm-up | core | open, N points)'"
        )
        where = heading["title"]
        assert len(cells) in (3, 4), f"{where}: {len(cells)} cells, not three or four"
        statement, solution, *look, check = cells
        assert role(solution) == "solution", f"{where}: the second is the solution"
        assert role(check) == "check", f"{where}: the last cell is the graded one"
        assert all(role(cell) == "plain" for cell in look), where
        number, points = int(heading["number"]), int(heading["points"])
        found.append(
            Exercise(number, heading["kind"], points, statement, solution, look, check)
        )
    return found


NAMES = sorted(path.parent.name for path in SOURCE.glob("*/*.ipynb"))
COURSE_NAMES = {path.stem for path in COURSE.glob("[0-9][0-9]_*.ipynb")}


def wrong_answers_of(name):
    path = WRONG_ANSWERS / f"{name}.py"
    return runpy.run_path(str(path))["WRONG"] if path.exists() else []


def solved_solution(source):
    """Returns the solution's own lines, between the two marks."""
    return "\n".join(SOLUTION.findall(source))


# -- Running ------------------------------------------------------------------


def run_cell(cell, namespace, source=None):
    """Runs a cell as a kernel would: tracebacks and AutoGraph can read its text."""
    source = cell.source if source is None else source
    filename = f"<cell {cell.id} {abs(hash(source))}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), namespace)


def run_look(cell, namespace):
    """Runs an ungraded cell; Agg has no window and says so."""
    import matplotlib.pyplot as plt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_cell(cell, namespace)
    plt.close("all")


def new_namespace(nb):
    namespace = {"__name__": "__main__"}
    run_cell(nb.cells[1], namespace)
    return namespace


@pytest.fixture(autouse=True)
def _surroundings(request, monkeypatch, tmp_path):
    """Cells run in an empty folder; those that read the human ratings need them."""
    monkeypatch.chdir(tmp_path)
    name = getattr(request.node, "callspec", None) and request.getfixturevalue("name")
    if name and "load_human_ratings" in path_of(name).read_text(encoding="utf-8"):
        request.getfixturevalue("human_ratings_dir")


# -- Form ---------------------------------------------------------------------


def test_there_are_exercises():
    assert NAMES, f"no exercises in {SOURCE}"


@pytest.mark.parametrize("name", NAMES)
def test_form(name):
    nb = read(name)
    MetadataValidator().validate_nb(nb)
    nbformat.validate(nb)
    assert name in COURSE_NAMES, f"no course notebook is called {name}"
    assert nb.metadata.kernelspec.name == "python3"
    for cell in nb.cells:
        assert not cell.get("outputs"), f"{cell.id}: outputs are not committed"
        assert cell.get("execution_count") is None, f"{cell.id}: an execution count"
        assert not re.search(r"^\s*[%!]", cell.source, re.MULTILINE) or (
            cell.cell_type == "markdown"
        ), f"{cell.id}: magics are not Python"
        meta = cell.metadata.get("nbgrader")
        if meta:
            assert meta.schema_version == 3, cell.id
            assert re.fullmatch(r"\w+", meta.grade_id, re.ASCII), meta.grade_id

    found = exercises_of(nb)
    assert 3 <= len(found) <= 5
    assert [e.number for e in found] == list(range(1, len(found) + 1))
    assert found[0].kind == "warm-up" and found[-1].kind == "open"

    title, imports = nb.cells[:2]
    assert title.cell_type == "markdown" and title.source.startswith("# ")
    assert name in title.source, "the first cell names the course notebook"
    total = sum(e.points for e in found)
    assert f"{total} points" in title.source, f"the first cell names {total} points"
    assert role(imports) == "locked" and imports.cell_type == "code"


@pytest.mark.parametrize("name", NAMES)
def test_each_exercise_is_whole(name):
    nb = read(name)
    for e in exercises_of(nb):
        assert e.check.metadata.nbgrader.points == e.points > 0, e.name
        assert e.check.metadata.nbgrader.locked, e.name
        assert e.check.metadata.nbgrader.grade_id == f"test_{e.name}"
        assert solved_solution(e.solution.source).strip(), f"{e.name}: no solution"
        assert len(SOLUTION.findall(e.solution.source)) >= 1
        hidden = HIDDEN.findall(e.check.source)
        assert len(hidden) == 1, f"{e.name}: one region of hidden tests"
        own = "|".join(names_bound(e.check.source)) or "$^"
        tests = re.search(rf"\bassert |\b({own})\(", hidden[0])
        assert tests, f"{e.name}: hidden tests that test nothing"
        visible = HIDDEN.sub("", e.check.source)
        assert "assert" in visible, f"{e.name}: the student sees no check"


@pytest.mark.parametrize("name", NAMES)
def test_every_assert_carries_a_hint(name):
    for e in exercises_of(read(name)):
        tree = ast.parse(e.check.source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assert):
                assert node.msg is not None, f"{e.name}: {ast.unparse(node)}"
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                assert not called.startswith("assert_") or any(
                    k.arg == "err_msg" for k in node.keywords
                ), f"{e.name}: {called} has no hint"
        # nbgrader takes a number that a cell shows for points.
        last = tree.body[-1]
        assert not isinstance(last, ast.Expr) or (
            isinstance(last.value, ast.Call)
            and ast.unparse(last.value.func) in names_bound(e.check.source)
        ), f"{e.name}: ends in a value"


def names_bound(source):
    """Returns the names that a cell binds at its top level."""
    table = symtable.symtable(source, "cell", "exec")
    return {
        s.get_name()
        for s in table.get_symbols()
        if s.is_assigned() or s.is_imported() or s.is_namespace()
    }


def names_read(source):
    """Returns the global names that a cell reads, in its functions too."""

    def walk(table):
        for s in table.get_symbols():
            if s.is_referenced() and (s.is_global() or table.get_type() == "module"):
                yield s.get_name()
        for child in table.get_children():
            yield from walk(child)

    return set(walk(symtable.symtable(source, "cell", "exec")))


@pytest.mark.parametrize("name", NAMES)
def test_checks_stand_on_their_own(name):
    """A check reads what it makes, the imports, and the answer to its exercise.

    Then a student's other cells can neither break it nor help it.
    """
    nb = read(name)
    given = names_bound(nb.cells[1].source) | set(dir(builtins)) | {"__name__"}
    for e in exercises_of(nb):
        known = given | names_bound(e.check.source) | names_bound(e.solution.source)
        assert names_read(e.check.source) <= known, e.name


# -- Solutions, release, wrong answers -----------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_solutions_earn_full_marks(name, capfd):
    nb = read(name)
    namespace = new_namespace(nb)
    for e in exercises_of(nb):
        run_cell(e.solution, namespace)
        for cell in e.look:
            if cell.cell_type == "code":
                run_look(cell, namespace)
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            run_cell(e.check, namespace)
        assert capfd.readouterr().err == "", f"{e.name}: the check writes to stderr"


def release_of(name):
    """Returns the students' version, made by nbgrader's own steps."""
    nb, resources = copy.deepcopy(read(name)), {}
    for step in (
        LockCells,
        ClearSolutions,
        ClearOutput,
        CheckCellMetadata,
        ComputeChecksums,
        ClearHiddenTests,
        ClearMarkScheme,
        ComputeChecksums,
        CheckCellMetadata,
    ):
        nb, resources = step().preprocess(nb, resources)
    return nb


@pytest.mark.parametrize("name", NAMES)
def test_release_hides_what_it_must(name):
    source, release = exercises_of(read(name)), exercises_of(release_of(name))
    text = nbformat.writes(release_of(name))
    everything = "\n".join(
        cell.source
        for e in release
        for cell in (e.statement, e.solution, *e.look, e.check)
    )
    for mark in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS"):
        assert mark not in text
    for before, after in zip(source, release, strict=True):
        assert "# YOUR CODE HERE\n" in after.solution.source, before.name
        assert "raise NotImplementedError()" in after.solution.source
        for line in solved_solution(before.solution.source).splitlines():
            line = line.strip()
            if len(line) >= 36 and not line.startswith("#"):
                assert line not in everything, f"{before.name} gives away: {line}"
        hidden = HIDDEN.findall(before.check.source)[0].strip()
        assert hidden not in everything


@pytest.mark.parametrize("name", NAMES)
def test_untouched_release_earns_nothing(name):
    nb = release_of(name)
    namespace = new_namespace(nb)
    for e in exercises_of(nb):
        with contextlib.suppress(NotImplementedError):
            run_cell(e.solution, namespace)
        for cell in e.look:
            if cell.cell_type == "code":
                with contextlib.suppress(Exception):
                    run_look(cell, namespace)
        with pytest.raises((NotImplementedError, AssertionError, NameError)):
            run_cell(e.check, namespace)


@pytest.mark.parametrize("name", NAMES)
def test_two_wrong_answers_an_exercise(name):
    wrong = wrong_answers_of(name)
    names = [e.name for e in exercises_of(read(name))]
    for w in wrong:
        assert set(w) == {"exercise", "why", "code", "hint"}, w
        assert w["exercise"] in names, w["exercise"]
        assert len(w["hint"]) >= 6 and w["why"], w
        compile(w["code"], w["why"], "exec")
    for exercise in names:
        count = sum(w["exercise"] == exercise for w in wrong)
        assert count >= 2, f"{exercise}: {count} wrong answers, two are needed"
    assert len({w["code"].strip() for w in wrong}) == len(wrong), "one is there twice"


CASES = [
    pytest.param(name, wrong, id=f"{name}-{wrong['exercise']}-{wrong['why']}")
    for name in NAMES
    for wrong in wrong_answers_of(name)
]


@pytest.mark.parametrize(("name", "wrong"), CASES)
def test_wrong_answers_meet_their_hint(name, wrong):
    nb = read(name)
    namespace = new_namespace(nb)
    for e in exercises_of(nb):
        if e.name != wrong["exercise"]:
            run_cell(e.solution, namespace)
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run_cell(e.solution, namespace, wrong["code"])
            with pytest.raises(AssertionError) as caught:
                run_cell(e.check, namespace)
        assert wrong["hint"] in str(caught.value), (
            f"the hint was: {caught.value}; expected one with {wrong['hint']!r}"
        )
        return
