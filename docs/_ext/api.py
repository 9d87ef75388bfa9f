"""The API reference: one page a room of the package, made from the docstrings.

What is listed is what a room exports (`__all__`, lazily imported names too), and
what the course imports from modules inside a room. `docstrings.py` makes of the
docstrings what autodoc reads.
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path

from docstrings import inline, markdown_to_rst
from sphinx.pycode import ModuleAnalyzer

ROOT = Path(__file__).resolve().parents[2]


def setup(app):
    """Connects the hooks."""
    # Before napoleon, which has the default priority of 500.
    app.connect("autodoc-process-docstring", process_docstring, priority=400)
    app.connect("autodoc-process-bases", public_bases)
    app.connect("autodoc-skip-member", skip_member)
    app.connect("missing-reference", pass_over_others)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# --- The pages ----------------------------------------------------------------


def rooms() -> list[str]:
    """Returns the packages inside rmkeras that export names."""
    import rmkeras

    return [
        f"rmkeras.{m.name}" for m in pkgutil.iter_modules(rmkeras.__path__) if m.ispkg
    ]


def exported(module: str) -> list[str]:
    """Returns the names that a module exports."""
    found = importlib.import_module(module)
    if hasattr(found, "__all__"):
        return list(found.__all__)
    return [
        name
        for name, value in vars(found).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module
    ]


def taught() -> dict[str, set[str]]:
    """Returns what the notebooks import from modules inside rooms."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] != "code":
                continue
            try:
                tree = ast.parse("".join(cell["source"]))
            except SyntaxError:  # A magic, or an exercise to be filled in.
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                    "rmkeras."
                ):
                    names = {alias.name for alias in node.names}
                    found.setdefault(node.module, set()).update(names)
    return found


@functools.cache
def extras() -> dict[str, list[str]]:
    """Returns the names to list beside what rooms export, by module.

    They are what the notebooks import from inside rooms, and what the listed
    functions return.
    """
    found = {"rmkeras.errors": exported("rmkeras.errors")}
    listed = {(room, name) for room in rooms() for name in exported(room)}
    for module, names in taught().items():
        room = ".".join(module.split(".")[:2])
        for name in sorted(names):
            private = any(part.startswith("_") for part in (*module.split("."), name))
            if private or module in rooms() or (room, name) in listed:
                continue
            if inspect.ismodule(getattr(importlib.import_module(module), name)):
                continue
            if name not in found.setdefault(module, []):
                found[module].append(name)
    called = list(found.items()) + [(room, exported(room)) for room in rooms()]
    for module, names in called:
        for kind in results(module, names):
            room, name = ".".join(kind.__module__.split(".")[:2]), kind.__name__
            names = found.setdefault(kind.__module__, [])
            known = (room, name) in listed or name in names
            if not known and not name.startswith("_"):
                names.append(name)
    return {module: names for module, names in sorted(found.items()) if names}


def api_pages() -> dict[str, str]:
    """Returns the pages of the reference, by their place."""
    pages = {}
    beside = extras()
    for room in rooms():
        inside = {m: n for m, n in beside.items() if m.startswith(f"{room}.")}
        pages[f"api/{room}.rst"] = room_page(room, inside)
    alone = {m: n for m, n in beside.items() if m.count(".") == 1 and m not in rooms()}
    lines = [heading("rmkeras", "="), "", ".. automodule:: rmkeras", ""]
    for module, names in alone.items():
        lines += module_section(module, names)
    pages["api/rmkeras.rst"] = "\n".join(lines)
    pages["api/command_line.rst"] = command_line_page()
    return pages


def command_line_page() -> str:
    """Returns what `--help` says, of every command."""
    from rmkeras.cli import build_parser

    lines = [heading("The command line", "="), ""]
    lines += ["What ``rmkeras --help`` and ``rmkeras COMMAND --help`` say.", ""]
    todo = [build_parser()]
    while todo:
        parser = todo.pop(0)
        lines += [heading(parser.prog, "-"), "", ".. code-block:: text", ""]
        # Argparse fits its lines to the window; here they have to be the same always.
        parser.formatter_class = _formatter(parser.formatter_class)
        said = parser.format_help().rstrip().splitlines()
        lines += [*(f"   {line}".rstrip() for line in said), ""]
        inside = []
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                inside += dict.fromkeys(action.choices.values())
        todo = inside + todo
    return "\n".join(lines)


def _formatter(kind):
    """Returns a formatter with a fixed width."""
    return lambda prog: kind(prog, width=88)


def room_page(room: str, inside: dict[str, list[str]]) -> str:
    """Returns the page of a room."""
    names = exported(room)
    lines = [heading(room, "="), "", f".. automodule:: {room}", ""]
    lines += [f".. currentmodule:: {room}", "", *summary(room, names), ""]
    for name in names:
        home = first_room(room, name)
        if home == room:
            lines += entry(room, name)
    for module, more in inside.items():
        lines += module_section(module, more)
    return "\n".join(lines)


def module_section(module: str, names: list[str]) -> list[str]:
    """Returns a section for some names of a module."""
    lines = [heading(module, "-"), "", f".. automodule:: {module}", ""]
    lines += [f".. currentmodule:: {module}", ""]
    for name in names:
        lines += entry(module, name)
    return lines


def heading(text: str, line: str) -> str:
    """Returns a heading."""
    return f"{text}\n{line * len(text)}"


def summary(module: str, names: list[str]) -> list[str]:
    """Returns a table of names, each with its first sentence.

    Autosummary would give constants the docstring of their type.
    """
    lines = [".. list-table::", "   :class: summary", ""]
    for name in names:
        first = sentence(documentation(module, name))
        target = f"{name} <{first_room(module, name)}.{name}>"
        lines += [f"   * - :py:obj:`{target}`", f"     - {inline(first)}"]
    return lines


def first_room(room: str, name: str) -> str:
    """Returns the room in which a name has its entry: its own if it is in two."""
    value = getattr(importlib.import_module(room), name)
    home = ".".join((getattr(value, "__module__", None) or room).split(".")[:2])
    if home != room and home in rooms() and name in exported(home):
        return home
    return room


def documentation(module: str, name: str) -> str:
    """Returns the docstring of a name, the one after it if it is a constant."""
    value = getattr(importlib.import_module(module), name)
    if inspect.isclass(value) or inspect.isroutine(value):
        return inspect.getdoc(value) or ""
    return constant_doc(module, name)


def sentence(text: str) -> str:
    """Returns the first sentence of a docstring."""
    first = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) (?=[A-Z])", first)[0]


def entry(module: str, name: str) -> list[str]:
    """Returns the directive that documents a name."""
    value = getattr(importlib.import_module(module), name)
    if inspect.isclass(value):
        lines = [f".. autoclass:: {name}", "   :members:", "   :show-inheritance:"]
        # What a class has from others of this package, and not what Keras gives it.
        return [*lines, f"   :inherited-members: {', '.join(foreign(value))}", ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {name}", ""]
    # A constant's docstring stands after it, in the module where it is set.
    body = "\n".join(markdown_to_rst(constant_doc(module, name).splitlines()))
    lines = [f".. py:data:: {name}", ""]
    return [*lines, *(f"   {line}".rstrip() for line in body.splitlines()), ""]


def foreign(value: type) -> list[str]:
    """Returns the names of the base classes that other packages define."""
    return [b.__name__ for b in value.__mro__ if not ours(b)]


def ours(value) -> bool:
    """Whether something is defined in this package."""
    return getattr(value, "__module__", "").split(".")[0] == "rmkeras"


def public_bases(app, name, obj, options, bases) -> None:
    """Passes over bases that have no page: what they bring is listed below."""
    shown = []
    todo = list(bases)
    while todo:
        base = todo.pop(0)
        if isinstance(base, type) and ours(base) and base.__name__ not in listed():
            todo = list(base.__bases__) + todo
        elif base is not object and base not in shown:
            shown.append(base)
    bases[:] = shown or [object]


@functools.cache
def listed() -> frozenset[str]:
    """Returns every name that has an entry."""
    names = {name for room in rooms() for name in exported(room)}
    return frozenset(names.union(*extras().values()))


def results(module: str, names: list[str]) -> list[type]:
    """Returns the classes of this package that listed functions give back."""
    found = []
    for name in names:
        value = getattr(importlib.import_module(module), name)
        if not inspect.isroutine(value):
            continue
        said = str(inspect.signature(value).return_annotation)
        for word in re.findall(r"[A-Z]\w+", said):
            kind = value.__globals__.get(word)
            if inspect.isclass(kind) and ours(kind) and kind not in found:
                found.append(kind)
    return found


def constant_doc(module: str, name: str) -> str:
    """Returns the docstring of a constant that a module defines or hands on."""
    found = importlib.import_module(module)
    homes = [module]
    if hasattr(found, "__path__"):
        homes += [f"{module}.{m.name}" for m in pkgutil.iter_modules(found.__path__)]
    for home in homes:
        docs = ModuleAnalyzer.for_module(home).find_attr_docs()
        if ("", name) in docs:
            return "\n".join(docs["", name]).strip()
    return ""


# --- What autodoc asks -----------------------------------------------------------


def process_docstring(app, what, name, obj, options, lines) -> None:
    """Turns Markdown into reStructuredText."""
    lines[:] = markdown_to_rst(lines)


def skip_member(app, what, name, obj, skip, options):
    """Leaves out the fields of named tuples, which have no docstring of their own."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def pass_over_others(app, env, node, contnode):
    """Lets names of other packages be plain code; ours have to lead somewhere."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    if not target.startswith("rmkeras.") or exists(target):
        return contnode
    return None


def exists(name: str) -> bool:
    """Whether a dotted name leads somewhere in this package."""
    parts = name.split(".")
    value = importlib.import_module(parts[0])
    for k, part in enumerate(parts[1:], 2):
        if hasattr(value, part):
            value = getattr(value, part)
        elif inspect.isclass(value):
            return any(
                part in vars(c).get("__annotations__", ()) for c in value.__mro__
            )
        else:
            try:
                value = importlib.import_module(".".join(parts[:k]))
            except ImportError:
                return False
    return True
