"""What becomes of docstrings, and of links in pages, on the way to the site."""

from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the site needs pip install 'rmkeras[site]'")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def extensions(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))


@pytest.mark.parametrize(
    ("markdown", "rst"),
    [
        ("a `name` of it", "a :py:obj:`name` of it"),
        ("call `name()`", "call :py:obj:`name() <name>`"),
        ("shape `(batch, 2)`", "shape ``(batch, 2)``"),
        ("all `Pair`s", r"all :py:obj:`Pair`\ s"),
        ("the share $x_i$, $n$-grams", "the share :math:`x_i`, :math:`n`-grams"),
        ("over two $a +\nb$ lines", "over two :math:`a +\nb` lines"),
        ("|e| and the word_", r"\|e\| and the word\_"),
        ("costs $5 and $6", "costs $5 and $6"),
        ("see [here](https://example.org/a)", "see `here <https://example.org/a>`__"),
        ("policy, **options: See", r"policy, \*\*options: See"),
        ("**bold** stays", "**bold** stays"),
        (">>> f(`x|$y$`)", ">>> f(`x|$y$`)"),
    ],
)
def test_spans(markdown, rst):
    from docstrings import markdown_to_rst

    assert "\n".join(markdown_to_rst(markdown.split("\n"))) == rst


def test_blocks():
    from docstrings import markdown_to_rst

    text = """First.

$$ a = b
+ c $$

| rule | value |
| --- | --- |
| one | $|x|$ |

```python
f("`$x$`")
```

Returns:
    A dict: of things."""
    assert markdown_to_rst(text.split("\n")) == [
        *("First.", ""),
        *("", ".. math::", "", "   a = b", "   + c", "", ""),
        *("", ".. list-table::", "   :header-rows: 1", ""),
        *("   * - rule", "     - value", "   * - one", "     - :math:`|x|`", "", ""),
        *("", ".. code-block:: python", "", '   f("`$x$`")', "", ""),
        *("", ":returns:", "    A dict: of things."),
    ]


def test_names_of_the_package_have_to_exist():
    from api import exists

    assert exists("rmkeras.rl.GRPO")
    assert exists("rmkeras.rl.GRPO.step")
    assert exists("rmkeras.data.Rating.text")
    assert exists("rmkeras.evaluate.lengths.length_report")
    assert not exists("rmkeras.rl.NOTHING")
    assert not exists("rmkeras.nothing.at.all")
    assert not exists("rmkeras.rl.GRPO.nothing")


def test_links(monkeypatch):
    import course

    said = []
    monkeypatch.setattr(course.log, "warning", lambda text, *a: said.append(text % a))
    mend = course.Mender("docs/a.md", ROOT / "docs" / "a.md", course.pages(), {})
    mended = mend.markdown(
        "[a](nowhere.md) [`b`](scaling.md#x) [c](../LICENSE) `[d](code.md)` "
        "[![Open in Colab](https://example.org/b.svg)](https://example.org) "
        "[e](../notebooks) [f](../notebooks/01_attention_math.ipynb#2-·-A-Title) "
        "[g](../notebooks/errata.ipynb#e1)"
    )
    assert said == ["docs/a.md links to nowhere.md, which is not there"]
    assert mended == (
        "[a](nowhere.md) [`b`](scaling.md#x) "
        "[c](https://github.com/rmkeras/rmkeras/blob/main/LICENSE) `[d](code.md)` "
        "[Open in Colab](https://example.org) "
        "[e](../course.md) [f](../notebooks/01_attention_math.ipynb#2--a-title) "
        '<a href="../notebooks/errata.html#e1">g</a>'
    )
