"""`manage.py` and nbgrader, from the source to the gradebook, in a course of their own.

Kernels are started here, so this takes a minute or so.
"""

import csv
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is in the extra `course`")

from nbgrader.api import Gradebook

EXERCISES = Path(__file__).resolve().parents[2] / "notebooks" / "exercises"
REAL = "01_attention_math"

spec = importlib.util.spec_from_file_location("manage", EXERCISES / "manage.py")
manage = importlib.util.module_from_spec(spec)
spec.loader.exec_module(manage)


def run(course, *arguments):
    """Runs `manage.py` as `make` does: the environment is not on the path."""
    return subprocess.run(
        [sys.executable, str(course / "manage.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": os.defpath},
        timeout=900,
    )


def new_course(folder):
    folder.mkdir()
    for name in ("manage.py", "nbgrader_config.py"):
        shutil.copy(EXERCISES / name, folder)
    return folder


def submit(course, student, name, answers=None, drop=()):
    """Hands in the students' version with some cells answered and some deleted."""
    nb = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    for cell in nb.cells:
        cell.source = (answers or {}).get(cell.id, cell.source)
    nb.cells = [cell for cell in nb.cells if cell.id not in drop]
    path = course / "submitted" / student / name / f"{name}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nb, path)
    return path


def points(course, name, student):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        submission = gradebook.find_submission(name, student)
        return submission.score, submission.max_score


def marks(course):
    with (course / "marks.csv").open(newline="", encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_solutions_earn_all_and_the_release_nothing(tmp_path):
    course = new_course(tmp_path / "course")
    shutil.copytree(EXERCISES / "source" / REAL, course / "source" / REAL)
    built = run(course, "assignments")
    assert built.returncode == 0, built.stderr
    assert "1 of 1 assignments" in built.stdout

    source = nbformat.read(course / "source" / REAL / f"{REAL}.ipynb", as_version=4)
    submit(course, "ada", REAL, {cell.id: cell.source for cell in source.cells})
    submit(course, "ben", REAL)
    graded = run(course, "grade")
    assert graded.returncode == 0, graded.stdout + graded.stderr

    full = sum(
        cell.metadata.get("nbgrader", {}).get("points", 0) for cell in source.cells
    )
    assert points(course, REAL, "ada") == (full, full)
    assert points(course, REAL, "ben") == (0, full)
    assert marks(course)["ada"]["points"] == str(full)
    for student in ("ada", "ben"):
        assert (course / "feedback" / student / REAL / f"{REAL}.html").is_file()


def cell(kind, name, source, **meta):
    made = getattr(nbformat.v4, f"new_{kind}_cell")(source, id=name)
    defaults = {"grade": False, "solution": False, "locked": False, "task": False}
    made.metadata.nbgrader = {
        **defaults,
        "schema_version": 3,
        "grade_id": name,
        **meta,
    }
    return made


def exercise(name, right):
    return [
        cell(
            "code",
            name,
            f"def {name}(x):\n    ### BEGIN SOLUTION\n    return {right}\n"
            "    ### END SOLUTION",
            solution=True,
        ),
        cell(
            "code",
            f"test_{name}",
            f"assert {name}(2) == {eval(right, {'x': 2})}, 'two'\n"
            "### BEGIN HIDDEN TESTS\n"
            f"assert {name}(3) == {eval(right, {'x': 3})}, 'three'\n"
            "### END HIDDEN TESTS",
            grade=True,
            locked=True,
            points=2,
        ),
    ]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A small course whose students hand in all that can go wrong, graded once."""
    course = new_course(tmp_path_factory.mktemp("grading") / "course")
    nb = nbformat.v4.new_notebook()
    nb.metadata.kernelspec = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    nb.cells = exercise("double", "2 * x") + exercise("square", "x * x")
    path = course / "source" / "90_tiny" / "90_tiny.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(nb, path)
    assert run(course, "assignments").returncode == 0

    double, square = (
        "def double(x):\n    return x + x",
        "def square(x):\n    return x**2",
    )
    right = {"double": double, "square": square}
    broken = submit(course, "broken", "90_tiny", right)
    broken.write_text(broken.read_text(encoding="utf-8")[:200], encoding="utf-8")
    submit(
        course,
        "changes",
        "90_tiny",
        {"double": "def double(x):\n    return 4", "test_double": "pass"},
        drop=["test_square"],
    )
    submit(course, "deletes", "90_tiny", right, drop=["square"])
    submit(
        course,
        "exits",
        "90_tiny",
        {**right, "square": "import os\ndef square(x):\n    os._exit(1)"},
    )
    submit(
        course,
        "hangs",
        "90_tiny",
        {**right, "double": "def double(x):\n    while True:\n        pass"},
    )
    submit(
        course,
        "warns",
        "90_tiny",
        {
            **right,
            "double": f"import warnings\n{double.replace('return', 'warnings.warn(str(x)); return')}",
        },
    )
    (course / "submitted" / "loose").mkdir()
    shutil.copy(course / "release/90_tiny/90_tiny.ipynb", course / "submitted/loose")
    unknown = course / "submitted" / "unknown" / "91_other"
    unknown.mkdir(parents=True)
    return course, run(course, "grade", "--cell-limit", "10")


def test_what_cannot_be_graded_is_named_and_the_rest_is_graded(mixed):
    course, result = mixed
    assert result.returncode == 2
    assert "Traceback" not in result.stdout + result.stderr
    found = marks(course)
    hints = {
        "broken": "not a valid notebook",
        "deletes": "the answer cells square are missing",
        "exits": "ended the kernel",
        "loose": "put the file into a folder: 90_tiny/90_tiny.ipynb",
        "unknown": "no assignment has this name; there are 90_tiny",
    }
    for student, hint in hints.items():
        assert hint in found[student]["note"], found[student]
        assert found[student]["points"] == ""
        assert hint in result.stdout
    assert "3 of 8 submissions graded" in result.stdout


def test_a_hanging_cell_costs_its_own_points_alone(mixed):
    course, _ = mixed
    assert points(course, "90_tiny", "hangs") == (2, 4)
    assert marks(course)["hangs"]["note"] == "stopped after 10 s: test_double"


def test_changed_and_deleted_checks_are_put_back(mixed):
    course, _ = mixed
    assert points(course, "90_tiny", "changes") == (0, 4)


def test_a_warning_costs_nothing(mixed):
    course, _ = mixed
    assert points(course, "90_tiny", "warns") == (4, 4)


def test_nothing_to_grade_is_said(tmp_path):
    course = new_course(tmp_path / "course")
    result = run(course, "grade")
    assert result.returncode == 2
    assert "nothing to grade" in result.stderr and "Traceback" not in result.stderr


def test_the_error_named_is_the_one_that_stopped_it():
    log = (
        "Traceback (most recent call last):\n"
        "  File 'subprocess.py', line 1950, in _execute_child\n"
        "    FileNotFoundError: [Errno 2] No such file or directory: 'alembic'\n"
        "[ERROR] There was an error processing assignment '01'\n"
        "nbgrader.converters.base.NbGraderException: Please see the above traceback\n"
    )
    assert "alembic" in manage.last_error(log)
    assert manage.last_error("one\ntwo\n") == "two"
    assert manage.last_error("") == "no message"
