"""What a translated cell must share with its English: formulas, code, links, numbers.

Used by `tools/translate.py check`. A slip in a formula is the commonest error of
translations, and the one that neither a reader nor a spell checker notices.
"""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

_FENCE = re.compile(r"^(```+|~~~+)[^\n]*\n.*?^\1[ \t]*$", re.M | re.S)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.S)
_DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.S)
_INLINE = re.compile(r"(?<![\\$])\$(?![\s$])((?:\\.|[^$\\\n])+?)\$(?!\$)")
_TARGET = re.compile(r"\]\(\s*<?((?:[^()\s<>]|\([^()\s]*\))+)")
_AUTOLINK = re.compile(r"<(https?://[^>\s]+)>|(?<![(<\w])(https?://[^\s)>，。；）]+)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_HEADING = re.compile(r"^(#{1,6})\s", re.M)
_ITEM = re.compile(r"^\s*(?:([*+-])|(\d+)[.)])\s", re.M)
_ROW = re.compile(r"^\s*\|.*\|\s*$", re.M)
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_LARGE = re.compile(r"\s*(?:million|billion|thousand)")
_HAN = r"[\u3400-\u4dbf\u4e00-\u9fff]"
_HALF_WIDTH = re.compile(rf"{_HAN}\s*[,;:?!]|{_HAN}\.(?=\s|$|{_HAN})|{_HAN}\(|\){_HAN}")
_NO_SPACE = re.compile(rf"{_HAN}[A-Za-z0-9`$]|[A-Za-z0-9`$]{_HAN}")
_WORDS_IN_MATH = re.compile(r"\\text\{([^{}]*)\}")

_MARKDOWN = MarkdownIt("commonmark").enable("table")


def _cut(pattern: re.Pattern, group: int, text: str, fill: str) -> tuple[list, str]:
    """Returns what the pattern finds, and the text with `fill` in its place."""
    found = [m.group(group) for m in pattern.finditer(text)]
    return found, pattern.sub(lambda m: fill, text)


def parts(source: str) -> dict[str, list[str]]:
    """Takes a cell's Markdown apart into what a translation has to keep.

    Args:
      source: the Markdown of one cell.

    Returns:
      Lists in the order of the text: `code blocks`, `code`, `formulas`, `links`,
      `tags`, `headings` (levels), `items`, `table rows` (one mark each), `numbers`,
      and `prose`, a list of one: the Markdown with neutral marks for code and
      formulas.

    Example:
      >>> found = parts("See `fit` and $x^2$ in [1](a.ipynb): 0.5")
      >>> found["code"], found["formulas"], found["links"]
      (['fit'], ['x^2'], ['a.ipynb'])
    """
    fences = [match.group(0) for match in _FENCE.finditer(source)]
    text = _FENCE.sub("", source)
    # Code first: a dollar sign in code opens no formula.
    code, text = _cut(_CODE, 2, text, "`x`")
    display, text = _cut(_DISPLAY, 1, text, "$x$")
    inline, text = _cut(_INLINE, 1, text, "$x$")
    formulas = [re.sub(r"\s+", " ", each).strip() for each in display + inline]
    targets, bare = _cut(_TARGET, 1, text, "](x")
    links = targets + [a or b for a, b in _AUTOLINK.findall(bare)]
    bare = _AUTOLINK.sub("", bare)
    tags = _TAG.findall(bare)
    items = _ITEM.findall(bare)
    numbers = [
        match.group().replace(",", "")
        for match in _NUMBER.finditer(bare)
        if not _LARGE.match(bare, match.end())
    ]
    return {
        "code blocks": fences,
        "code": code,
        "formulas": formulas,
        "links": links,
        "tags": [re.sub(r'\s(alt|title|aria-label)="[^"]*"', "", t) for t in tags],
        "headings": [len(marks) for marks in _HEADING.findall(bare)],
        "items": [mark or number for mark, number in items],
        "table rows": ["|"] * len(_ROW.findall(bare)),
        "numbers": numbers,
        "prose": [text],
    }


def _same_formula(english: str, translated: str) -> bool:
    """Whether they differ at most in words inside `\\text{}` that were translated."""
    if english == translated:
        return True
    words = [
        ours if re.search(_HAN, theirs) else theirs
        for ours, theirs in zip(
            _WORDS_IN_MATH.findall(english),
            _WORDS_IN_MATH.findall(translated),
            strict=False,
        )
    ]
    restored = iter(words)
    return english == _WORDS_IN_MATH.sub(
        lambda m: rf"\text{{{next(restored, m.group(1))}}}", translated
    )


def _unpaired(wanted: list, found: list, same) -> list:
    return [x for x in dict.fromkeys(wanted) if not any(same(x, y) for y in found)]


def differences(english: str, translated: str) -> Iterator[str]:
    """Compares one cell with its translation.

    Formulas, code and links are compared as sets, since a translation may name a
    thing twice where English says "it". Numbers have to be kept; more may be added
    ("twenty" becomes 20).

    Args:
      english: the English Markdown.
      translated: its translation.

    Yields:
      A sentence for each difference.

    Example:
      >>> list(differences("Let $a_1$ be 3.", "设 $a_2$ 为 3。"))
      ['formula of the English is missing: $a_1$', 'formula is not in the English: $a_2$']
    """
    ours, theirs = parts(english), parts(translated)
    for kind, name, show in (
        ("formulas", "formula", "${}$"),
        ("code", "code", "`{}`"),
        ("code blocks", "code block", "{}"),
        ("links", "link", "{}"),
        ("tags", "HTML tag", "{}"),
    ):
        same = _same_formula if kind == "formulas" else lambda a, b: a == b
        for each in _unpaired(ours[kind], theirs[kind], same):
            yield f"{name} of the English is missing: {show.format(each)}"
        for each in _unpaired(theirs[kind], ours[kind], lambda a, b, s=same: s(b, a)):
            yield f"{name} is not in the English: {show.format(each)}"
    for kind in ("headings", "items", "table rows"):
        if ours[kind] != theirs[kind]:
            yield f"{kind} differ: {len(ours[kind])} in English, {len(theirs[kind])} here"
    for each in dict.fromkeys(ours["numbers"]):
        if each not in theirs["numbers"]:
            yield f"number of the English is missing: {each}"


def slips(translated: str) -> Iterator[str]:
    """Finds what is wrong in a Chinese text whatever the English says.

    Args:
      translated: the translated Markdown.

    Yields:
      A sentence for each: punctuation of half width beside a Chinese character, no
      space between one and a Latin letter, a digit, code or a formula, and stars
      that open or close no emphasis. (`**词（word）**后` is the usual case: a
      star between a bracket and a letter cannot close; move the bracket out.)

    Example:
      >>> list(slips("**策略（policy）**是…"))
      ['stars that mark no emphasis: **策略（policy）**是…']
    """
    prose = parts(translated)["prose"][0]
    shown = re.sub(r"\]\([^)]*\)", "]", prose)
    for pattern, name in (
        (_HALF_WIDTH, "half-width punctuation beside Chinese"),
        (_NO_SPACE, "no space beside Chinese"),
    ):
        for match in pattern.finditer(shown):
            around = shown[max(match.start() - 6, 0) : match.end() + 4]
            yield f"{name}: {around}".replace("\n", " ")
    for token in _MARKDOWN.parse(prose):
        for child in token.children or ():
            if child.type == "text" and "*" in child.content:
                yield f"stars that mark no emphasis: {child.content[:40]}"
