import importlib.util
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def matrix():
    file = ROOT / "tools" / "notebook_matrix.py"
    spec = importlib.util.spec_from_file_location("notebook_matrix", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path, source, printed):
    cell = nbformat.v4.new_code_cell(source, execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_a_run_sees_the_setting_and_compares_outputs(matrix, tmp_path):
    source = "import os\nprint(os.environ['ONEDNN_MAX_CPU_ISA'])"
    notebook = write(tmp_path / "a.ipynb", source, "AVX2\n")
    assert matrix.one(sys.executable, {"ONEDNN_MAX_CPU_ISA": "AVX2"}, notebook)[
        "passed"
    ]
    other = matrix.one(sys.executable, {"ONEDNN_MAX_CPU_ISA": "SSE41"}, notebook)
    assert not other["passed"] and "SSE41" in other["tail"]


def test_the_table_counts_only_runs_of_the_notebook_as_it_is(matrix, tmp_path, capsys):
    notebook = write(tmp_path / "b.ipynb", "print(1)", "1\n")
    good = {"passed": True, "seconds": 7, "tail": ""}
    known = {matrix.key("3.11", notebook): [good, good]}
    assert matrix.print_table([notebook], known) == 0
    told = capsys.readouterr().out
    assert "| b | holds ×2 | – |" in told and "1 of 8 hold, 0 fail, 7 were not" in told
    known[matrix.key("AVX2", notebook)] = [good, good | {"passed": False}]
    assert matrix.print_table([notebook], known) == 1
    assert "FAILS" in capsys.readouterr().out
    told = nbformat.read(notebook, 4)
    told.cells.insert(0, nbformat.v4.new_markdown_cell("Prose changes no output."))
    nbformat.write(told, notebook)
    assert matrix.print_table([notebook], known) == 1
    capsys.readouterr()
    write(notebook, "print(2)", "2\n")
    assert matrix.print_table([notebook], known) == 0
    assert "0 of 8 hold" in capsys.readouterr().out


def test_all_settings_of_the_course_are_there(matrix):
    versions = {version for version, _ in matrix.SETTINGS.values()}
    assert versions == {"3.11", "3.12", "3.13"}
    assert len(matrix.SETTINGS) == 8
