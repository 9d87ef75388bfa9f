"""Builds the students' version of the exercises, and grades what comes back.

    python manage.py assignments
    python manage.py grade [--assignment NAME] [--student NAME]

nbgrader does the work; `nbgrader_config.py` beside this file tells it how. What is
added here: all assignments in one go, a time limit for a whole submission, and one
line a submission that says what became of it. Submissions lie in
`submitted/STUDENT/NAME/NAME.ipynb`, and grading runs the code in them: see README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import importlib.util
import json
import multiprocessing
import os
import re
import sys
import warnings
from pathlib import Path

COURSE = Path(__file__).resolve().parent
LARGEST = 50_000_000  # bytes of a submitted notebook


def nbgrader_api():
    """Returns nbgrader's interface for this course, quiet but for errors."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config.loader import PyFileConfigLoader
    from traitlets.log import get_logger

    # nbgrader calls `alembic` by its name alone. It lies beside this Python, which is
    # not on the path unless somebody activated the environment.
    beside = str(Path(sys.executable).parent)
    paths = os.environ.get("PATH", os.defpath).split(os.pathsep)
    if beside not in paths:
        os.environ["PATH"] = os.pathsep.join([beside, *paths])
    logger = get_logger()  # what it collects comes back with each result
    logger.setLevel("ERROR")
    logger.propagate = False
    loader = PyFileConfigLoader("nbgrader_config.py", path=str(COURSE))
    return NbGraderAPI(config=loader.load_config())


def source_names():
    """Returns the names of all assignments, in the order of the course."""
    return sorted(p.stem for p in COURSE.glob("source/*/*.ipynb"))


def last_error(log):
    """Returns the last line of a log that names an error.

    nbgrader ends with an exception of its own, which says to look further up.
    """
    lines = [line.strip() for line in (log or "").splitlines() if line.strip()]
    named = [
        line
        for line in lines
        if re.match(r"[\w.]*(Error|Exception)\b", line)
        and "NbGraderException" not in line
    ]
    return (named or lines or ["no message"])[-1]


# -- The students' version ------------------------------------------------------


def build(names):
    """Builds the students' version of assignments and tells the gradebook.

    Args:
        names: Names of assignments.

    Returns:
        A dictionary of messages, for those that could not be built.
    """
    api = nbgrader_api()
    failed = {}
    for name in names:
        result = api.generate_assignment(name)
        if not result["success"]:
            text = result.get("log", "") + result["error"]
            if "there are submissions associated" in text:
                failed[name] = (
                    "its cells have changed since submissions were graded; start a new "
                    "gradebook (move gradebook.db away) or put the cells back"
                )
            else:
                failed[name] = last_error(text)
    return failed


def assignments():
    """Builds the students' version of all assignments; returns the exit status."""
    names = source_names()
    failed = build(names)
    for name, message in failed.items():
        print(f"{name}: {message}", file=sys.stderr)
    done = len(names) - len(failed)
    print(f"{done} of {len(names)} assignments are in {COURSE / 'release'}")
    return 2 if failed else 0


# -- Grading --------------------------------------------------------------------


def problem_with(path, name):
    """Returns what keeps a submission from being graded, or None.

    Args:
        path: The folder `submitted/STUDENT/NAME`.
        name: Name of the assignment.
    """
    import nbformat

    names = source_names()
    if name not in names:
        return f"no assignment has this name; there are {', '.join(names)}"
    file = path / f"{name}.ipynb"
    if not file.is_file():
        others = sorted(p.name for p in path.glob("*.ipynb"))
        found = f"found {', '.join(others)}" if others else "the folder has no notebook"
        return f"{name}.ipynb is missing; {found}"
    if file.stat().st_size > LARGEST:
        size = file.stat().st_size // 1_000_000
        return f"the notebook has {size} MB; clear its outputs and hand it in again"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notebook = nbformat.from_dict(json.loads(file.read_text("utf-8")))
            notebook = nbformat.convert(notebook, 4)
            nbformat.validate(notebook)
            submitted = solution_cells(notebook)
    except Exception as error:  # whatever a stranger's file can make nbformat raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        return f"the file is not a valid notebook ({reason[0][:100]})"
    source = nbformat.read(COURSE / "source" / name / file.name, as_version=4)
    missing = solution_cells(source) - submitted
    if missing:
        return (
            f"the answer cells {', '.join(sorted(missing))} are missing; copy the "
            "answers into a fresh copy of the assignment"
        )
    return None


def solution_cells(notebook):
    """Returns the names of the cells that hold answers."""
    found = (cell.metadata.get("nbgrader", {}) for cell in notebook.cells)
    return {meta.get("grade_id") for meta in found if meta.get("solution")}


def stop(process):
    """Ends a process and all that it started, a hanging kernel too."""
    import psutil

    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.join()


def work(connection, name, student, cell_limit):
    """Runs one submission under nbgrader and sends back what it said."""
    # A kernel inherits these, and what it writes before it is up is of no use.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    api = nbgrader_api()
    api.config.Execute.timeout = cell_limit
    result = api.autograde(name, student, force=True)
    text = result.get("log", "") + result.get("error", "")
    connection.send((result["success"], text))


def autograde(name, student, cell_limit, limit):
    """Grades one submission in a process of its own, which can be ended.

    Args:
        name: Name of the assignment.
        student: Name of the student.
        cell_limit: Seconds for one cell; a cell that takes longer fails.
        limit: Seconds for the whole notebook.

    Returns:
        What kept the submission from being graded, or None.
    """
    # The server imports nbgrader once, which takes seconds; the rest are its forks.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["nbgrader.apps"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(theirs, name, student, cell_limit))
    process.start()
    theirs.close()
    try:
        if not ours.poll(limit):
            return f"it ran longer than {limit} seconds and was stopped"
        success, text = ours.recv()
    except EOFError:
        return "the process that graded it ended (out of memory, perhaps)"
    finally:
        stop(process)
    if success:
        return None
    if "DeadKernelError" in text or "Kernel died" in text:
        return "its code ended the kernel (out of memory, or an exit)"
    return last_error(text)


def timed_out(name, student):
    """Returns the names of the graded cells that were stopped by the time limit."""
    import nbformat

    path = COURSE / "autograded" / student / name / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    return [
        cell.metadata.get("nbgrader", {}).get("grade_id", cell.get("id"))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("ename") == "CellTimeoutError"
    ]


def marks_of(api, name, student):
    """Returns the points and the points that there were to be had."""
    from nbgrader.api import MissingEntry

    with api.gradebook as gradebook:
        try:
            submission = gradebook.find_submission(name, student)
        except MissingEntry:
            return None, None
        return submission.score, submission.max_score


def submissions(assignment, student):
    """Yields folder, assignment and student of everything that was handed in."""
    for path in sorted(COURSE.glob("submitted/*/*")):
        if path.name.startswith(".") or path.parent.name.startswith("."):
            continue
        if student in (None, path.parent.name) and assignment in (None, path.stem):
            yield path, path.stem if path.is_file() else path.name, path.parent.name


def grade_one(api, path, name, student, cell_limit, limit):
    """Grades one submission and writes its feedback.

    Returns:
        The points, the points that there were to be had, and a note; without points
        the note says why.
    """
    if path.is_file():
        return None, None, f"put the file into a folder: {name}/{path.name}"
    problem = problem_with(path, name)
    problem = problem or autograde(name, student, cell_limit, limit)
    if problem:
        return None, None, problem
    notes = []
    if slow := timed_out(name, student):
        notes.append(f"stopped after {cell_limit} s: {', '.join(slow)}")
    feedback = api.generate_feedback(name, student)
    if not feedback["success"]:
        notes.append(
            f"no feedback: {last_error(feedback.get('log', '') + feedback['error'])}"
        )
    return *marks_of(api, name, student), "; ".join(notes)


def grade(assignment=None, student=None, cell_limit=120, limit=900):
    """Grades all submissions, or those of one assignment or one student.

    Writes the gradebook, feedback for each student and `marks.csv`.

    Returns:
        The exit status: 0 if every submission was graded, else 2.
    """
    todo = list(submissions(assignment, student))
    if not todo:
        where = COURSE / "submitted" / "STUDENT" / "NAME" / "NAME.ipynb"
        print(f"nothing to grade; a submission lies in {where}", file=sys.stderr)
        return 2
    handed_in = {name for _, name, _ in todo}
    not_built = build([name for name in source_names() if name in handed_in])
    api, rows = nbgrader_api(), []
    try:
        for path, name, who in todo:
            if name in not_built:
                row = None, None, not_built[name]
            else:
                row = grade_one(api, path, name, who, cell_limit, limit)
            points, most, note = row
            rows.append((who, name, points, most, note))
            shown = "not graded" if points is None else f"{points:g} of {most:g}"
            note = f"  ({note})" if note else ""
            print(f"{who}  {name}  {shown}{note}", flush=True)
    finally:  # an interrupt keeps what is graded
        write_marks(rows)
    bad = sum(row[2] is None for row in rows)
    print(f"{len(rows) - bad} of {len(rows)} submissions graded")
    print(f"marks: {COURSE / 'marks.csv'}   feedback: {COURSE / 'feedback'}")
    return 2 if bad else 0


def write_marks(rows):
    """Writes `marks.csv`; rows of submissions that were not graded now stay."""
    header = ["student", "assignment", "points", "of", "note"]
    path, table = COURSE / "marks.csv", {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            table = {tuple(row[:2]): row for row in list(csv.reader(file))[1:]}
    for who, name, points, most, note in rows:
        numbers = ["" if n is None else f"{n:g}" for n in (points, most)]
        table[who, name] = [who, name, *numbers, note]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *(table[key] for key in sorted(table))])


def main(argv=None):
    """Reads the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("assignments", help="build the students' version of all")
    grading = commands.add_parser("grade", help="grade what lies in submitted/")
    grading.add_argument("--assignment", help="this one alone, such as 09_reinforce")
    grading.add_argument("--student", help="this student alone")
    grading.add_argument(
        "--cell-limit", type=int, default=120, help="seconds a cell (120)"
    )
    grading.add_argument(
        "--limit", type=int, default=900, help="seconds a notebook (900)"
    )
    options = parser.parse_args(argv)
    if importlib.util.find_spec("nbgrader") is None:
        parser.exit(2, "nbgrader is not installed: pip install 'rmkeras[course]'\n")
    if options.command == "assignments":
        return assignments()
    return grade(options.assignment, options.student, options.cell_limit, options.limit)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
