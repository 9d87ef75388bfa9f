"""Docstrings in Markdown, with formulas between dollars, as reStructuredText.

Autodoc and napoleon read reStructuredText; the package's docstrings are read in
editors and notebooks far more often than here, so they are written in Markdown.
"""

from __future__ import annotations

import re

# Code and formulas first: what is between backticks or dollars stays as it is.
_SPAN = re.compile(
    r"(?P<code>`+)(?P<inside>.+?)(?P=code)"
    r"|(?<![\\$\w])\$(?P<math>[^\s$](?:[^$]*[^\s$])?)\$(?![\d$])"
    r"|\[(?P<text>[^\]]+)\]\((?P<url>https?://[^)\s]+)\)",
    re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z_][\w]*(\.[A-Za-z_]\w*)*(\(\))?")
_OPENERS = " \n([{<-/:'\"‘“’«–—"
_CLOSERS = " \n.,;:!?)]}>-/'\"’”»–—…"


def markdown_to_rst(lines: list[str]) -> list[str]:
    """Converts a docstring's Markdown, line by line, to reStructuredText.

    Example:

    >>> markdown_to_rst(["The share $x_i$ of `n` rows, |e| in all."])[0]
    'The share :math:`x_i` of :py:obj:`n` rows, \\\\|e\\\\| in all.'
    """
    out: list[str] = []
    rest = list(lines)
    while rest:
        line = rest[0]
        bare = line.strip()
        indent = line[: len(line) - len(line.lstrip())]
        if bare in ("Returns:", "Yields:"):
            # Napoleon would take what stands before the first colon for a type.
            rest.pop(0)
            field = {"Returns:": ":returns:", "Yields:": ":Yields:"}[bare]
            out += ["", f"{indent}{field}"]
        elif bare.startswith(">>> "):
            while rest and rest[0].strip():
                out.append(rest.pop(0))
        elif bare.startswith("```"):
            rest.pop(0)
            block = []
            while rest and not rest[0].strip().startswith("```"):
                block.append(rest.pop(0))
            del rest[:1]
            out += ["", f"{indent}.. code-block:: {bare[3:] or 'text'}", ""]
            out += [f"   {b}" if b.strip() else "" for b in block] + [""]
        elif bare.startswith("$$"):
            block = [rest.pop(0)]
            while block[-1].count("$$") + (len(block) > 1) < 2 and rest:
                if "$$" in block[-1] and len(block) > 1:
                    break
                block.append(rest.pop(0))
            formula = "\n".join(b.strip() for b in block)
            formula, _, after = formula.removeprefix("$$").partition("$$")
            out += ["", f"{indent}.. math::", ""]
            out += [f"{indent}   {f}" for f in formula.strip().splitlines()] + [""]
            if after.strip():
                rest.insert(0, indent + after.strip())
        elif bare.startswith("|") and bare.endswith("|"):
            rows = []
            while rest and rest[0].strip().startswith("|"):
                rows.append(cells(rest.pop(0)))
            out += table(rows, indent)
        else:
            text = [rest.pop(0)]
            while rest and rest[0].strip() and not starts_block(rest[0]):
                text.append(rest.pop(0))
            out += paragraph(text)
    return out


def starts_block(line: str) -> bool:
    """Whether a line begins something other than prose."""
    bare = line.strip()
    return bare in ("Returns:", "Yields:") or bare.startswith(
        (">>> ", "```", "$$", "|")
    )


def cells(line: str) -> list[str]:
    """Returns the cells of a row of a table; a | in code or a formula is none."""
    held: list[str] = []

    def hold(match):
        held.append(match[0])
        return f"\0{len(held) - 1}\0"

    row = _SPAN.sub(hold, line.strip().strip("|"))
    found = [c.strip() for c in row.split("|")]
    return [re.sub("\0(\\d+)\0", lambda m: held[int(m[1])], c) for c in found]


def table(rows: list[list[str]], indent: str) -> list[str]:
    """Returns a table with one row of headings."""
    out = ["", f"{indent}.. list-table::", f"{indent}   :header-rows: 1", ""]
    for row in [rows[0], *rows[2:]]:
        for k, cell in enumerate(row):
            out.append(f"{indent}   {'* -' if k == 0 else '  -'} {inline(cell)}")
    return [*out, ""]


def paragraph(lines: list[str]) -> list[str]:
    """Converts the spans of a paragraph, which may run over its lines."""
    converted = inline("\n".join(lines)).split("\n")
    out: list[str] = []
    for line in converted:
        # Markdown lets a list follow its sentence at once.
        item = re.match(r"\s*([-*]|\d+\.) ", line)
        before = out[-1].rstrip() if out else ""
        if item and before.endswith(":") and indent_of(before) <= indent_of(line):
            out.append("")
        out.append(line)
    return out


def indent_of(line: str) -> int:
    """Returns how far a line is indented."""
    return len(line) - len(line.lstrip())


def inline(text: str) -> str:
    """Converts code, formulas and links, and escapes what else would mean something."""
    out = []
    at = 0
    for match in _SPAN.finditer(text):
        out.append(escape(text[at : match.start()]))
        span = converted_span(match)
        before = text[match.start() - 1] if match.start() else " "
        after = text[match.end()] if match.end() < len(text) else " "
        left = "" if before in _OPENERS else "\\ "
        right = "" if after in _CLOSERS else "\\ "
        out.append(f"{left}{span}{right}")
        at = match.end()
    return "".join([*out, escape(text[at:])])


def converted_span(match) -> str:
    """Returns one span of code, formula or link."""
    if match["math"]:
        return f":math:`{match['math']}`"
    if match["url"]:
        return f"`{match['text']} <{match['url']}>`__"
    code = match["inside"]
    if _NAME.fullmatch(code):
        name = code.removesuffix("()")
        return f":py:obj:`{code}`" if name == code else f":py:obj:`{code} <{name}>`"
    if code != code.strip():
        return f":code:`{code}`"
    return f"``{code}``"


def escape(text: str) -> str:
    """Escapes what reStructuredText would take for markup."""
    text = text.replace("\\", "\\\\").replace("|", "\\|")
    # The last of several names that share a description; napoleon sees to single ones.
    text = re.sub(r", \*\*(?=\w+:)", r", \\*\\*", text)
    return re.sub(r"(?<=\w)_(?!\w)", r"\\_", text)
