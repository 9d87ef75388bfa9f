"""The translated notebooks: built from the English, and never silently behind it."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("polib")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import polib  # noqa: E402
import translate  # noqa: E402
from translation_catalogues import Course, source_of  # noqa: E402
from translation_checks import differences, parts, slips  # noqa: E402
from translation_pages import blocks  # noqa: E402

CATALOGUES = sorted((ROOT / "notebooks/translations/zh_CN").glob("*.po"))


def markdown(key, source):
    return {"cell_type": "markdown", "id": key, "metadata": {}, "source": source}


def code(key, source, **metadata):
    output = {"name": "stdout", "output_type": "stream", "text": ["1\n"]}
    return {
        "cell_type": "code",
        "execution_count": 1,
        "id": key,
        "metadata": metadata,
        "outputs": [output],
        "source": source,
    }


def write(path, cells, **metadata):
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    """A course of two notebooks without catalogues."""
    folder = tmp_path / "course" / "notebooks"
    write(
        folder / "01_one.ipynb",
        [
            markdown("a", ["# One\n", "\n", "Let $x_1$ be `y`.\n", "More: 0.5."]),
            code("b", ["print(1)\n", "open('../results/r.json')"]),
            markdown("c", ["See [two](02_two.ipynb#two), [it](../docs/a.md)."]),
        ],
    )
    write(folder / "02_two.ipynb", [markdown("a", ["# Two"]), code("b", [])])
    for name in ("docs/a.md", "results/r.json"):
        path = folder.parent / name
        path.parent.mkdir()
        path.write_text("{}")
    return folder


def run(command, folder, *arguments):
    return translate.main([command, "--notebooks", str(folder), *map(str, arguments)])


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def catalogue(folder, name="01_one"):
    return polib.pofile(str(folder / f"translations/zh_CN/{name}.po"), wrapwidth=0)


def fill(folder, name="01_one", **translations):
    entries = catalogue(folder, name)
    for entry in entries:
        if entry.msgctxt in translations:
            entry.msgstr = translations[entry.msgctxt]
    entries.save()


def rewrite(path, key, source):
    content = json.loads(path.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["id"] == key:
            cell["source"] = source
    write(path, content["cells"])


def test_extract_writes_an_entry_a_markdown_cell(folder):
    assert run("extract", folder) == 0
    assert [(e.msgctxt, e.msgid, e.msgstr) for e in catalogue(folder)] == [
        ("a", "# One\n\nLet $x_1$ be `y`.\nMore: 0.5.", ""),
        ("c", "See [two](02_two.ipynb#two), [it](../docs/a.md).", ""),
    ]


def test_extract_twice_changes_nothing(folder, capsys):
    run("extract", folder)
    fill(folder, a="# 一")
    run("extract", folder)
    path = folder / "translations/zh_CN/01_one.po"
    before = path.read_bytes()
    capsys.readouterr()
    run("extract", folder)
    assert path.read_bytes() == before
    assert capsys.readouterr().out == ""


def test_changed_english_is_behind_and_keeps_what_was_translated(folder, capsys):
    run("extract", folder)
    fill(folder, a="# 一\n\n设 $x_1$ 为 `y`。更多：0.5。")
    rewrite(folder / "01_one.ipynb", "a", ["# One, mended"])
    # Before anybody runs extract, too.
    run("status", folder)
    assert re.search(r"behind: a +# One, mended", capsys.readouterr().out)
    run("extract", folder)
    entry = catalogue(folder)[0]
    assert entry.fuzzy
    assert entry.msgid == "# One, mended"
    assert entry.previous_msgid.startswith("# One\n\nLet")
    assert entry.msgstr.startswith("# 一")
    # A second change keeps the English that the translation belongs to.
    rewrite(folder / "01_one.ipynb", "a", ["# One, mended twice"])
    run("extract", folder)
    assert catalogue(folder)[0].previous_msgid.startswith("# One\n\nLet")
    # And if it comes back, the translation is good again.
    rewrite(folder / "01_one.ipynb", "a", "# One\n\nLet $x_1$ be `y`.\nMore: 0.5.")
    run("extract", folder)
    assert not catalogue(folder)[0].fuzzy


def test_removed_cells_are_obsolete_and_found_again(folder):
    run("extract", folder)
    fill(folder, a="# 一", c="见[二](02_two.ipynb#two)，[它](../docs/a.md)。")
    path = folder / "01_one.ipynb"
    cells = cells_of(path)
    write(path, cells[1:2])
    run("extract", folder)
    assert {e.msgctxt for e in catalogue(folder).obsolete_entries()} == {"a", "c"}
    # The first comes back as it was, the other under a new id.
    cells[2]["id"] = "pasted"
    write(path, cells)
    run("extract", folder)
    entries = catalogue(folder)
    assert [(e.msgctxt, e.msgstr[:2]) for e in entries if not e.obsolete] == [
        ("a", "# "),
        ("pasted", "见["),
    ]
    assert not entries.obsolete_entries()


def test_status_is_strict_when_told(folder, capsys):
    assert run("status", folder) == 0
    assert run("status", folder, "--strict") == 1
    run("extract", folder)
    fill(folder, a="# 一", c="见。")
    fill(folder, "02_two", a="# 二")
    assert run("status", folder, "--strict") == 0
    rewrite(folder / "02_two.ipynb", "a", ["# Three"])
    assert run("status", folder, "--strict") == 1
    capsys.readouterr()
    (folder / "02_two.ipynb").unlink()
    assert run("status", folder, "--strict") == 1
    assert "02_two.po: its English is gone" in capsys.readouterr().out


@pytest.mark.parametrize("extracted", [True, False])
def test_without_translations_the_build_is_the_original(folder, tmp_path, extracted):
    if extracted:
        run("extract", folder)
    out = tmp_path / "course" / "zh_CN"
    assert run("build", folder, "--out", out) == 0
    for name in ("01_one.ipynb", "02_two.ipynb"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()


def test_code_cells_and_outputs_are_the_english_ones(folder, tmp_path):
    run("extract", folder)
    fill(folder, a="# 一", c="见。")
    run("build", folder, "--out", tmp_path / "zh")
    ours = cells_of(tmp_path / "zh" / "01_one.ipynb")
    assert ours[1] == cells_of(folder / "01_one.ipynb")[1]
    assert "".join(ours[0]["source"]) == "# 一"
    metadata = json.loads((tmp_path / "zh/01_one.ipynb").read_text("utf8"))["metadata"]
    assert metadata["translation"] == {
        "language": "zh-CN",
        "source": "01_one.ipynb",
        "cells": {"translated": 2, "behind": 0, "missing": 0},
    }


def test_a_cell_that_is_behind_says_so_under_its_heading(folder, tmp_path):
    run("extract", folder)
    fill(folder, a="# 一\n\n旧文。", c="见。")
    rewrite(folder / "01_one.ipynb", "a", ["# One, mended"])
    rewrite(folder / "01_one.ipynb", "c", ["Mended."])
    for extracted in (False, True):
        if extracted:
            run("extract", folder)
        run("build", folder, "--out", tmp_path / "course" / "zh")
        first, _, last = cells_of(tmp_path / "course" / "zh" / "01_one.ipynb")
        lines = "".join(first["source"]).split("\n")
        assert lines[0] == "# 一"
        assert "译文落后于英文原文" in lines[2]
        assert "](../notebooks/01_one.ipynb)" in lines[2]
        assert lines[-1] == "旧文。"
        assert "".join(last["source"]).startswith("> **译文落后于英文原文。**")
    run("build", folder, "--out", tmp_path / "zh", "--english", "https://x.org/en")
    source = "".join(cells_of(tmp_path / "zh" / "01_one.ipynb")[0]["source"])
    assert "](https://x.org/en/01_one.ipynb)" in source


def test_a_missing_cell_is_shown_in_english(folder, tmp_path):
    run("extract", folder)
    fill(folder, c="见。")
    run("build", folder, "--out", tmp_path / "course" / "zh")
    ours = cells_of(tmp_path / "course" / "zh" / "01_one.ipynb")
    assert ours[0] == cells_of(folder / "01_one.ipynb")[0]


def test_links_and_files_that_code_reads_work_from_the_new_place(folder, tmp_path):
    run("extract", folder)
    fill(folder, c="见[二](02_two.ipynb#two)，[它](../docs/a.md)。")
    out = tmp_path / "elsewhere" / "deep" / "zh"
    run("build", folder, "--out", out)
    source = "".join(cells_of(out / "01_one.ipynb")[2]["source"])
    assert "](02_two.ipynb#two)" in source
    link = re.search(r"\[它\]\((.*)\)", source).group(1)
    assert (out / link).resolve() == (folder.parent / "docs/a.md").resolve()
    assert (out / "../results/r.json").read_text() == "{}"
    run("build", folder, "--out", tmp_path / "other" / "zh", "--no-data")
    assert not (tmp_path / "other" / "results").exists()


def test_links_to_english_headings_still_lead_there(folder, tmp_path):
    """A heading that is linked to keeps its English name beside the translated."""
    site = "https://x.org/blob/main/notebooks"
    links = f"[a](01_one.ipynb#1-·-Two-words) [b]({site}/01_one.ipynb#Three) [c](#Two)"
    rewrite(folder / "02_two.ipynb", "a", f"# Two\n\n{links}")
    rewrite(folder / "01_one.ipynb", "a", "# One\n\n## 1 · Two words\n\n## Three")
    rewrite(folder / "01_one.ipynb", "c", "## Four")
    run("extract", folder)
    fill(folder, a="# 一\n\n## 1 · 两个词\n\n## 三", c="## 四")
    fill(folder, "02_two", a=f"# 二\n\n{links}")
    run("build", folder, "--out", tmp_path / "zh")
    one, _, four = cells_of(tmp_path / "zh" / "01_one.ipynb")
    assert "".join(one["source"]) == (
        '# 一\n\n<a id="1-·-Two-words"></a>\n\n## 1 · 两个词\n\n'
        '<a id="Three"></a>\n\n## 三'
    )
    assert "".join(four["source"]) == "## 四"
    two = cells_of(tmp_path / "zh" / "02_two.ipynb")[0]
    assert "".join(two["source"]).startswith('<a id="Two"></a>\n\n# 二')


def figure(folder, alt="Bars: 0.5 and 2."):
    """Gives the first notebook's code cell a text alternative."""
    path = folder / "01_one.ipynb"
    cells = cells_of(path)
    cells[1]["metadata"] = {"alt": alt} if alt else {}
    write(path, cells)
    return path


def test_a_text_alternative_is_an_entry_of_its_own(folder, capsys):
    figure(folder, alt=" ")
    run("extract", folder)
    assert [e.msgctxt for e in catalogue(folder)] == ["a", "c"]
    figure(folder)
    run("extract", folder)
    entries = {e.msgctxt: e.msgid for e in catalogue(folder)}
    assert list(entries) == ["a", "alt:b", "c"]
    assert entries["alt:b"] == "Bars: 0.5 and 2."
    fill(folder, a="# 一\n\n设 $x_1$ 为 `y`。更多：0.5。", c="见。")
    fill(folder, "02_two", a="# 二")
    assert run("status", folder, "--strict") == 1
    fill(folder, **{"alt:b": "条形图：0.5 与 3。"})
    assert run("status", folder, "--strict") == 0
    capsys.readouterr()
    assert run("check", folder) == 1
    said = capsys.readouterr().out
    assert "01_one, cell alt:b: number of the English is missing: 2\n" in said


def test_figures_are_described_in_the_language_or_in_english(folder, tmp_path):
    path = figure(folder)

    def built():
        run("build", folder, "--out", tmp_path / "zh")
        cell = cells_of(tmp_path / "zh" / "01_one.ipynb")[1]
        alt = cell["metadata"].pop("alt")
        original = cells_of(path)[1]
        original["metadata"].pop("alt")
        assert cell == original
        return alt

    run("extract", folder)
    assert built() == "Bars: 0.5 and 2."
    fill(folder, **{"alt:b": "条形图：0.5 与 2。"})
    assert built() == "条形图：0.5 与 2。"
    figure(folder, alt="Bars: 0.5 and 3.")
    # Behind, whether anybody has run extract or not.
    for _ in range(2):
        assert built() == "Bars: 0.5 and 3."
        run("extract", folder)
    entry = catalogue(folder).find("alt:b", by="msgctxt")
    assert entry.fuzzy and entry.previous_msgid == "Bars: 0.5 and 2."


PAGE = """# Words

A line that is
wrapped, see [two](../notebooks/02_two.ipynb#two) and [all](../notebooks).

| sign | what |
| --- | --- |
| $x$ | a number |

**One**: the *first*, in
2 lines ([01](../notebooks/01_one.ipynb)).

```
code = "stays"

## even so
```

* **One**: again;
* another, in a
  second line. It ends with
  16. Not an item.
"""
PAGE_IDS = [
    "# Words",
    "A line that is wrapped,",
    "| sign",
    "| $x$",
    "One",
    "One (2)",
    "* another, in a second",
]


@pytest.fixture
def page(folder):
    """A course with a page; the catalogue is written and the page translated."""
    path = folder.parent / "docs/glossary.md"
    path.write_text(PAGE, encoding="utf-8")
    run("extract", folder)
    fill(
        folder,
        "glossary",
        **{
            "# Words": "# 词",
            "A line that is wrapped,": "一行，见[二](../notebooks/02_two.ipynb#two)"
            "和[全部](../notebooks)。",
            "| sign": "| 符号 | 意义 |",
            "| $x$": "| $x$ | 一个数 |",
            "One": "**一**（one）：*第一*，2 行（[01](../notebooks/01_one.ipynb)）。",
            "One (2)": "* **一**（one）：又一次；",
            "* another, in a second": "* 另一个，第二行。到 16. 为止。",
        },
    )
    return path


CHINESE_PAGE = """# 词

一行，见[二](../02_two.ipynb#two)和[全部](..)。

| 符号 | 意义 |
| --- | --- |
| $x$ | 一个数 |

**一**（one）：*第一*，2 行（[01](../01_one.ipynb)）。

```
code = "stays"

## even so
```

* **一**（one）：又一次；
* 另一个，第二行。到 16. 为止。
"""


def test_a_page_is_translated_piece_by_piece(folder, page, tmp_path):
    assert [e.msgctxt for e in catalogue(folder, "glossary")] == PAGE_IDS
    assert run("check", folder, "glossary") == 0
    assert run("status", folder, "glossary", "--strict") == 0
    out = tmp_path / "course" / "zh"
    assert run("build", folder, "--out", out) == 0
    assert (out / "docs/glossary.md").read_text("utf8") == CHINESE_PAGE


def test_a_page_that_is_wrapped_anew_is_not_behind(folder, page):
    page.write_text(PAGE.replace("is\nwrapped", "is wrapped"), encoding="utf-8")
    assert run("status", folder, "glossary", "--strict") == 0


def test_a_page_says_what_is_behind_and_shows_it_in_english(
    folder, page, tmp_path, capsys
):
    changed = PAGE.replace("a number", "a vector").replace("A line", "New.\n\nA line")
    page.write_text(changed, encoding="utf-8")
    for _ in range(2):
        assert run("status", folder, "glossary", "--strict") == 1
        assert re.search(r"behind: \| \$x\$ +\| \$x\$ \| a v", capsys.readouterr().out)
        run("build", folder, "--out", tmp_path / "course/zh")
        built = (tmp_path / "course/zh/docs/glossary.md").read_text("utf8")
        assert built.startswith("# 词\n\n> **译文落后于英文原文。** 这一页有 2 处")
        assert "[英文原文](../../docs/glossary.md)" in built
        assert "\n\nNew.\n\n一行" in built
        assert "| $x$ | a vector |" in built
        run("extract", folder)
        capsys.readouterr()
    # A new piece changes the names of no others.
    ids = [e.msgctxt for e in catalogue(folder, "glossary")]
    assert ids == [PAGE_IDS[0], "New.", *PAGE_IDS[1:]]
    site = "https://x.org/blob/main/notebooks"
    run("build", folder, "--out", tmp_path / "zh", "--english", site)
    built = (tmp_path / "zh/docs/glossary.md").read_text("utf8")
    assert "[英文原文](https://x.org/blob/main/docs/glossary.md)" in built


def test_notebooks_link_to_the_page_that_is_translated(folder, page, tmp_path):
    link = "[words](../docs/glossary.md) [a](../docs/a.md)"
    rewrite(folder / "02_two.ipynb", "a", link)
    out = tmp_path / "course/deep/zh"
    run("build", folder, "--out", out)
    source = source_of(cells_of(out / "02_two.ipynb")[0])
    assert source == "[words](docs/glossary.md) [a](../../docs/a.md)"
    # Without a word of translation there is no page: the link leads to the English.
    (folder / "translations/zh_CN/glossary.po").unlink()
    out = tmp_path / "course/deep/none"
    run("build", folder, "--out", out)
    source = source_of(cells_of(out / "02_two.ipynb")[0])
    assert source == "[words](../../docs/glossary.md) [a](../../docs/a.md)"
    assert not (out / "docs").exists()


def test_links_within_a_page_find_the_translated_heading(folder, page, tmp_path):
    page.write_text("# Words\n\n[see](#the-end-a)\n\n## The end: a\n\n## Other\n")
    run("extract", folder)
    headings = {"## The end: a": "## 结尾", "## Other": "## 其他"}
    fill(folder, "glossary", **headings, **{"[see](#the-end-a)": "[见](#the-end-a)"})
    run("build", folder, "--out", tmp_path / "zh")
    assert (tmp_path / "zh/docs/glossary.md").read_text("utf8") == (
        '# 词\n\n[见](#the-end-a)\n\n<a id="the-end-a"></a>\n\n## 结尾\n\n## 其他\n'
    )


def test_a_build_overwrites_no_english_page(folder, page, capsys):
    assert run("build", folder, "--out", folder.parent) == 2
    assert "would write into the English pages' folder" in capsys.readouterr().err
    assert page.read_text("utf8") == PAGE


def test_a_page_that_is_gone_leaves_an_orphan(folder, page, capsys):
    page.unlink()
    assert run("status", folder, "--strict") == 1
    assert "glossary.po: its English is gone" in capsys.readouterr().out


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem
)
def test_pages_are_whole_when_taken_apart(path):
    page = path.read_text(encoding="utf-8")
    found = blocks(page)
    assert "".join(block.raw for block in found) == page
    ids = [block.id for block in found if block.id]
    assert len(set(ids)) == len(ids)


def broken_string(text):
    return text.replace("# One", '# "One')


def unclosed(text):
    return text.replace('msgctxt "a"', 'msgctxt "a')


def conflict(text):
    return text.replace('msgctxt "a"', '<<<<<<< HEAD\nmsgctxt "a"')


def twice(text):
    return text.replace('msgctxt "c"', 'msgctxt "a"')


def no_context(text):
    return text.replace('msgctxt "c"\n', "")


def other_language(text):
    return text.replace("Language: zh_CN", "Language: de")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            broken_string,
            r"01_one\.po, line \d+: a string that does not end, or a quote",
        ),
        (unclosed, r"01_one\.po, line \d+: a string that does not end"),
        (conflict, r"01_one\.po, line \d+: not a PO catalogue"),
        (twice, r"01_one\.po, line \d+: a second entry for a"),
        (no_context, r"01_one\.po, line \d+: an entry without msgctxt"),
        (other_language, r"the header names the language de, its folder zh_CN"),
    ],
)
@pytest.mark.parametrize("command", ["extract", "status", "check", "build"])
def test_a_broken_catalogue_ends_in_one_message(
    folder, tmp_path, capsys, command, damage, says
):
    run("extract", folder)
    path = folder / "translations/zh_CN/01_one.po"
    text = path.read_text(encoding="utf-8")
    assert damage(text) != text
    path.write_text(damage(text), encoding="utf-8")
    capsys.readouterr()
    out = tmp_path / "zh"
    assert run(command, folder, *(["--out", out] if command == "build" else [])) == 2
    assert re.search(says, capsys.readouterr().err)
    assert path.read_text(encoding="utf-8") == damage(text)
    assert not out.exists()


def test_other_mistakes_end_in_one_message(folder, tmp_path, capsys):
    run("extract", folder)
    path = folder / "translations/zh_CN/01_one.po"
    good = path.read_bytes()
    path.write_bytes(good + "# 中".encode("gb18030"))
    assert run("status", folder) == 2
    assert "not UTF-8" in capsys.readouterr().err
    path.write_bytes(good)
    assert run("build", folder, "--out", folder / "zh") == 2
    assert "would write into" in capsys.readouterr().err
    assert run("status", folder, "07") == 2
    assert "07: no notebook or page begins so" in capsys.readouterr().err
    assert run("status", tmp_path / "nowhere") == 2
    assert "no such folder" in capsys.readouterr().err
    write(folder / "03.ipynb", [markdown("a", "x"), markdown("a", "y")])
    assert run("status", folder) == 2
    assert "two cells have the id a" in capsys.readouterr().err
    (folder / "03.ipynb").write_text("{")
    assert run("status", folder) == 2
    assert "03.ipynb: not a notebook" in capsys.readouterr().err


def test_check_reports_and_exits_with_1(folder, capsys):
    run("extract", folder)
    fill(folder, a="# 一\n\n设 $x_1$ 为 `y`。更多：0.5。")
    assert run("check", folder) == 0
    fill(folder, a="# 一\n\n设 $x_2$ 为 `y`。更多：0.5。")
    capsys.readouterr()
    assert run("check", folder) == 1
    assert "01_one, cell a: formula of the English is missing: $x_1$" in (
        capsys.readouterr().out
    )


def test_check_knows_the_terms(folder, capsys):
    run("extract", folder)
    fill(folder, a="# 一\n\n设 $x_1$ 为令牌 `y`。更多：0.5。")
    terms = "| English | 中文 | 不用 |\n| --- | --- | --- |\n| token | 词元 | 令牌、标记符 |\n"
    (folder / "translations/zh_CN/terms.md").write_text(terms, encoding="utf-8")
    assert run("check", folder) == 1
    assert "terms.md says 词元, here is 令牌" in capsys.readouterr().out


ENGLISH = """## 2 · Scores

Let $\\pi_\\theta$ and `fit(x)` be [given](02_two.ipynb#s): 1,500 pairs, 0.23.

$$L = -\\ln\\sigma(d) \\text{ (right)}$$

* one
* two

| a | b |
| --- | --- |
"""
CHINESE = """## 2 · 分数

设 $\\pi_\\theta$ 与 `fit(x)` [已知](02_two.ipynb#s)：1500 对，0.23。

$$L = -\\ln\\sigma(d) \\text{ （正确）}$$

* 一
* 二

| 甲 | 乙 |
| --- | --- |
"""


def test_a_good_translation_has_no_differences():
    assert not list(differences(ENGLISH, CHINESE))
    assert not list(slips(CHINESE))


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ("\\pi_\\theta", "\\pi_\\phi", "formula of the English is missing"),
        ("-\\ln", "\\ln", "formula is not in the English"),
        ("`fit(x)`", "`fit(X)`", "code of the English is missing: `fit(x)`"),
        ("`fit(x)`", "fit(x)", "code of the English is missing: `fit(x)`"),
        ("02_two.ipynb#s", "02_two.ipynb", "link of the English is missing"),
        ("1500", "15000", "number of the English is missing: 1500"),
        ("0.23", "0.32", "number of the English is missing: 0.23"),
        ("* 二\n", "", "items differ: 2 in English, 1 here"),
        ("## ", "### ", "headings differ"),
        ("| --- | --- |\n", "", "table rows differ"),
    ],
)
def test_check_finds_each_kind_of_slip(change, to, says):
    assert change in CHINESE
    found = list(differences(ENGLISH, CHINESE.replace(change, to)))
    assert any(says in each for each in found), found


@pytest.mark.parametrize(
    "text",
    [
        "好, 坏",
        "好(坏)",
        "完了.",
        "这是**策略（policy）**的定义",
        "*看",
        "第2节",
        "见`x`",
        "$x$是",
    ],
)
def test_slips_of_chinese_are_found(text):
    assert list(slips(text))


@pytest.mark.parametrize(
    "text", ["好，坏", "见 `a(b)`、$f(x)$ 和[它](a.md)，完。", "**策略**（policy）是"]
)
def test_good_chinese_has_no_slips(text):
    assert not list(slips(text))


def test_dollars_in_code_open_no_formula():
    assert parts("`$a` and `b$`, $c$")["formulas"] == ["c"]


sources = st.lists(st.text(max_size=40), max_size=5).map("\n".join)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(english=st.lists(sources, max_size=4), chinese=st.data())
def test_any_text_survives_the_catalogue(tmp_path_factory, english, chinese):
    folder = tmp_path_factory.mktemp("course") / "notebooks"
    cells = [markdown(f"m{i}", source) for i, source in enumerate(english)]
    path = write(folder / "01.ipynb", [*cells, code("z", ["1"])])
    assert run("extract", folder) == 0
    assert run("status", folder) == 0
    course = Course(folder, "zh_CN")
    kept = {c.id: c.entry.msgid for c in course.cells(path)}
    assert kept == {c["id"]: c["source"] for c in cells if c["source"].strip()}
    wanted = {key: chinese.draw(sources) for key in kept}
    fill(folder, "01", **wanted)
    run("extract", folder)
    out = folder.parent / "zh"
    assert run("build", folder, "--out", out) == 0
    built = {c["id"]: source_of(c) for c in cells_of(out / "01.ipynb")}
    for key, source in kept.items():
        assert built[key] == (wanted[key] if wanted[key].strip() else source)


def test_runs_as_a_script(folder):
    done = subprocess.run(
        [sys.executable, "tools/translate.py", "status", "--notebooks", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert "01_one" in done.stdout


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_the_course_in_chinese_has_the_formulas_of_the_english(path, capsys):
    english = [f"notebooks/{path.stem}.ipynb", f"docs/{path.stem}.md"]
    assert any((ROOT / name).exists() for name in english), "its English is gone"
    assert translate.main(["check", path.stem]) == 0, capsys.readouterr().out


def test_the_course_in_chinese_builds_with_the_same_code(tmp_path):
    assert translate.main(["build", "--out", str(tmp_path / "c" / "zh")]) == 0
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        ours, theirs = cells_of(tmp_path / "c" / "zh" / path.name), cells_of(path)
        assert [c["id"] for c in ours] == [c["id"] for c in theirs]
        for mine, original in zip(ours, theirs, strict=True):
            mine, original = copy.deepcopy(mine), copy.deepcopy(original)
            if original["cell_type"] == "markdown":
                mine.pop("source"), original.pop("source")
            if original["metadata"].get("alt"):
                mine["metadata"].pop("alt"), original["metadata"].pop("alt")
            assert mine == original


def test_the_chinese_glossary_names_each_term_in_english_too():
    path = ROOT / "notebooks/translations/zh_CN/glossary.po"
    pairs = [(e.msgid, e.msgstr) for e in polib.pofile(str(path)) if not e.obsolete]
    terms = [(m[1], b) for a, b in pairs if (m := re.match(r"\*\*(.+?)\*\*", a))]
    assert len(terms) > 140
    for term, translated in terms:
        # A term that nobody has translated yet is in English.
        named = (translated or term).split("：")[0].casefold()
        # "(ECE)" stands between other brackets in Chinese.
        for word in re.findall(r"[^\s(),]+", term.casefold()):
            assert word in named, f"{term}: {translated}"


def test_docstring_examples():
    import doctest

    import translation_checks
    import translation_pages

    for module in (translation_checks, translation_pages):
        tried = doctest.testmod(module)
        assert tried.attempted and not tried.failed
