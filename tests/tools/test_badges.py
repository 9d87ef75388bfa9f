"""The badges: on each notebook, once, pointing at that notebook."""

import importlib.util
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def badges():
    file = ROOT / "tools" / "badges.py"
    spec = importlib.util.spec_from_file_location("badges", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path, source):
    cells = [
        nbformat.v4.new_markdown_cell(source),
        nbformat.v4.new_code_cell("1 + 1", execution_count=1),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def first(path):
    return nbformat.read(path, 4).cells[0].source


def test_added_once_under_the_title(badges, tmp_path):
    path = write(tmp_path / "07_x.ipynb", "# 07 · X\n\nWhat it is about.")
    assert badges.update(path)
    title, empty, line, blank, text = first(path).split("\n")
    assert (title, text) == ("# 07 · X", "What it is about.") and empty == blank == ""
    assert line.count("07_x.ipynb") == 2
    before = path.read_bytes()
    assert not badges.update(path)
    assert path.read_bytes() == before


def test_an_old_line_is_replaced(badges, tmp_path):
    line = badges.badge_line("old_name.ipynb")
    path = write(tmp_path / "new_name.ipynb", f"# X\n\n{line}\n\nText.")
    assert badges.update(path)
    assert "old_name" not in first(path) and first(path).count("[![") == 2
    assert first(path).endswith("\n\nText.")


def test_check_changes_nothing_and_says_what_is_behind(badges, tmp_path, capsys):
    path = write(tmp_path / "x.ipynb", "# X")
    before = path.read_bytes()
    assert badges.main(["--check", str(path)]) == 1
    assert path.read_bytes() == before and "x.ipynb" in capsys.readouterr().out
    assert badges.main([str(path)]) == 0
    assert badges.main(["--check", str(path)]) == 0


def test_a_cell_without_a_title_is_refused(badges, tmp_path):
    with pytest.raises(ValueError, match="expected a title"):
        badges.update(write(tmp_path / "x.ipynb", "no title"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_has_them(badges, path):
    assert not badges.update(path, write=False), "run python tools/badges.py"


def test_the_badges_link_to_a_section_that_exists(badges):
    heading = badges.HOW.partition("#")[2].replace("-", " ")
    notebook = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", 4)
    assert any(f"## {heading}" in c.source.split("\n") for c in notebook.cells)
    code = [c.source for c in notebook.cells if "google.colab" in c.source]
    assert len(code) == 1 and badges.REPOSITORY in code[0]


def test_binder_installs_from_the_lock_and_fetches_the_data():
    folder = ROOT / ".binder"
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert "-c ../requirements.txt" in lines and "-e .[annotate]" in lines
    assert (folder / "runtime.txt").read_text() == "python-3.12\n"
    post_build = folder / "postBuild"
    assert post_build.stat().st_mode & 0o111, "Binder runs only an executable"
    for name in ("human-ratings", "minilm"):
        assert f"rmkeras data prepare {name}" in post_build.read_text()
