"""Every example in a docstring of the package runs, whatever module it is in."""

import doctest
import importlib
import pkgutil

import pytest

import rmkeras

# What a module needs beyond the package's own dependencies.
EXTRAS = {
    "rmkeras.data.beam": ("apache_beam",),
    "rmkeras.data.beam_tfds": ("apache_beam",),
    "rmkeras.feedback.app": ("starlette", "markdown_it", "nh3"),
    "rmkeras.feedback.serve": ("starlette", "uvicorn", "markdown_it", "nh3"),
    "rmkeras.feedback.web": ("starlette", "markdown_it", "nh3"),
    "rmkeras.feedback.widget": ("ipywidgets",),
}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rmkeras.__path__, "rmkeras.")
    # It is `python -m rmkeras`, and would run.
    if module.name != "rmkeras.__main__"
)


def examples(name):
    """Returns the docstrings of a module that hold examples."""
    module = importlib.import_module(name)
    return [t for t in doctest.DocTestFinder().find(module) if t.examples]


@pytest.mark.parametrize("name", ["rmkeras", *MODULES])
def test_examples(name, monkeypatch, tmp_path):
    for library in EXTRAS.get(name, ()):
        pytest.importorskip(library)
    # An example that writes a file leaves it here.
    monkeypatch.chdir(tmp_path)
    wrong = []
    runner = doctest.DocTestRunner(verbose=False)
    for example in examples(name):
        runner.run(example, out=wrong.append)
    assert not wrong, "".join(wrong)


def test_examples_are_found():
    assert len(examples("rmkeras.losses.pairwise")) == 1
    assert examples("rmkeras.rl.grpo")
