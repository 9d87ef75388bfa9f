"""What docs/feedback_files.md promises holds."""

import json
import re
from pathlib import Path

import pytest

from rmkeras.data import ChatTemplate, gather_aspects, read_records, record_type
from rmkeras.data.schemas import SCHEMAS
from rmkeras.data.source import MAX_LINE

PAGE = (Path(__file__).parents[2] / "docs" / "feedback_files.md").read_text("utf8")
ROWS = re.findall(r"^\| `([a-z-]+)` \| (.+) \| `(\{.+\})` \|$", PAGE, re.MULTILINE)


def test_the_table_has_every_type():
    assert [name for name, _, _ in ROWS] == list(SCHEMAS)


@pytest.mark.parametrize(("name", "fields", "line"), ROWS)
def test_the_example_lines_are_read_and_the_fields_are_all(
    tmp_path, name, fields, line
):
    path = tmp_path / "r.jsonl"
    path.write_text(line)
    assert record_type(path) == name
    [record] = read_records(path)
    assert record.to_dict() == json.loads(line)
    required, _, _ = fields.partition("; optional")
    assert tuple(re.findall("`(.+?)`", required)) == SCHEMAS[name].required
    assert set(re.findall("`(.+?)`", fields)) == set(SCHEMAS[name].fields)


def test_the_limit_and_the_default_template():
    assert f"at most {MAX_LINE:,} characters" in PAGE
    rows = dict(re.findall(r'^\| `(\w+)` \| `"(.+)"` \|$', PAGE, re.MULTILINE))
    formats = {role: f.encode().decode("unicode_escape") for role, f in rows.items()}
    assert formats == ChatTemplate().formats


def test_the_example_of_several_aspects(tmp_path):
    [block] = re.findall(r"## Several aspects.+?```\n(.+?)```", PAGE, re.DOTALL)
    path = tmp_path / "r.jsonl"
    path.write_text(block)
    cheese, rain = gather_aspects(read_records(path))
    assert cheese.ratings == {"truthful": [1.0], "creative": [4.0]}
    assert rain.ratings == {"truthful": [5.0]}
