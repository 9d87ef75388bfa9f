"""Whatever the bytes are: no traceback, every row counted, streaming agrees."""

import gzip
import json
import warnings

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from rmkeras.data import check_records, iter_records, record_type
from rmkeras.data.schemas import FIELD_NAMES, SCHEMAS
from rmkeras.errors import RmkerasError

value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content"]), inner)
        | st.lists(
            st.fixed_dictionaries({"role": st.just("user"), "content": inner}),
            max_size=3,
        )
    ),
    max_leaves=6,
)
row = st.dictionaries(st.sampled_from(sorted(FIELD_NAMES)), value, max_size=5)
json_line = row.map(lambda r: json.dumps(r).encode()) | st.binary(max_size=20)
csv_line = st.lists(
    st.sampled_from([b"text", b"rating", b"chosen", b"rejected", b'"', b"1", b"\xe9"]),
    max_size=5,
).map(b",".join)
content = st.lists(json_line | csv_line, max_size=8)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(content, ends, st.sampled_from(["r.jsonl", "r.csv", "r"]), st.data())
def test_any_bytes_end_in_a_report(tmp_path_factory, lines, end, name, data):
    raw = end.join(lines)
    if data.draw(st.booleans(), "gzipped"):
        raw = gzip.compress(raw, mtime=0)[: data.draw(st.integers(1, 200), "kept")]
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(raw)
    kind = data.draw(st.none() | st.sampled_from(list(SCHEMAS)), "type")
    report = check_records(path, kind)
    assert report.counts["rows"] == report.counts["good"] + report.counts["bad"]
    assert report.counts["good"] == len(report.records) == len(report.lines)
    assert report.lines == sorted(set(report.lines))
    assert report.ok or all(str(p).startswith(str(path)) for p in report.problems)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if report.ok:
            assert list(iter_records(path, kind)) == report.records
            return
        seen = []
        with pytest.raises(RmkerasError):
            for record in iter_records(path, kind):
                seen.append(record)
        before = min(p.line or 0 for p in report.problems)
        early = [
            record
            for record, line in zip(report.records, report.lines, strict=True)
            if line < before
        ]
        assert seen == early
        try:
            assert record_type(path) in SCHEMAS
        except RmkerasError as error:
            assert str(error)
