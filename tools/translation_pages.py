"""Pages of Markdown, taken apart into what is translated piece by piece.

A page has no cells with ids as a notebook has. Its pieces are headings, paragraphs,
list items and table rows, and each is known by how it begins: a term of a glossary by
the term, a table row by its first cell. So a piece that is added or moved changes the
name of no other.
"""

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^ *(```+|~~~+|:::+)")
_HEADING = re.compile(r"^#{1,6} ")
_ITEM = re.compile(r"^ *(?:[*+-]|\d+[.)]) ")
_NUMBER = re.compile(r" *(\d+)[.)] ")
_ROW = re.compile(r"^ *\|.*\| *$")
_RULE = re.compile(r"^[ |:*_=-]*$")
_BOLD = re.compile(r"^(?:(?:[*+-]|\d+[.)]) )?\*\*(.+?)\*\*")


@dataclass
class Block:
    """A piece of a page, or what lies between two (then `id` is empty).

    Attributes:
      id: the beginning of the piece, by which its translation is found.
      raw: the text as it is in the file, with its line ends.
      english: the text on one line; wrapping it anew is no change.
    """

    id: str
    raw: str
    english: str = ""

    def with_text(self, text: str) -> str:
        """Returns another text in this block's place, indented as it was."""
        indent = self.raw[: len(self.raw) - len(self.raw.lstrip(" "))]
        return indent + text + "\n" * self.raw.endswith("\n")


def _on_one_line(text: str) -> str:
    # A line that ends with two spaces or a backslash breaks on purpose.
    return re.sub(r"(?<! {2})(?<!\\)\n *", " ", text.strip())


def _begins(text: str) -> str:
    if _HEADING.match(text):
        return text
    if _ROW.match(text):
        return "| " + re.split(r"(?<!\\)\|", text)[1].strip()
    bold = _BOLD.match(text)
    return bold[1] if bold else " ".join(text.split()[:5])


def _starts_item(line: str, before: str) -> bool:
    """Whether a line under text begins an item, as CommonMark reads it."""
    number = _NUMBER.match(line)
    # "16. …" at the start of a line of a paragraph is the end of a sentence.
    ends_sentence = number and int(number[1]) != 1 and not _NUMBER.match(before)
    return bool(_ITEM.match(line)) and not ends_sentence


def blocks(page: str) -> list[Block]:
    """Takes a page apart; the `raw` of all blocks, joined, is the page.

    Args:
      page: Markdown. Fenced blocks and the rules of tables stay as they are.

    Returns:
      The blocks in order. Those without an `id` hold nothing to translate.

    Example:
      >>> [b.id for b in blocks("# A\\n\\n**Word**: what\\nit is.\\n") if b.id]
      ['# A', 'Word']
    """
    pieces, fence = [], None
    for line in page.splitlines(keepends=True):
        bare = line.rstrip("\n")
        mark = _FENCE.match(bare)
        if fence:
            pieces[-1][1] += line
            if mark and mark[1].startswith(fence) and bare.strip() == mark[1]:
                fence = None
            continue
        if mark:
            fence = mark[1]
            pieces.append(["code", line])
        elif _RULE.match(bare):
            pieces.append(["", line])
        elif _HEADING.match(bare) or _ROW.match(bare):
            pieces.append(["line", line])
        elif not pieces or pieces[-1][0] != "text" or _starts_item(bare, pieces[-1][1]):
            pieces.append(["text", line])
        else:
            pieces[-1][1] += line
    found, seen = [], {}
    for kind, raw in pieces:
        if kind not in ("line", "text"):
            found.append(Block("", raw))
            continue
        english = _on_one_line(raw)
        name = _begins(english)
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name += f" ({seen[name]})"
        found.append(Block(name, raw, english))
    return found
