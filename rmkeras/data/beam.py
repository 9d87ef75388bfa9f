"""Cleaning feedback of any size with Apache Beam, by the functions of `data clean`.

    read each file ──► parse, validate, clean ──► digest of what a row says
                                    │                      │ places of repeats
                                    ▼                      ▼
                              the same again ──► rows whose place is none of them ──► write

Rows are read twice, so that what has to be brought together is sixteen bytes and a
place for each row and never the rows themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rmkeras.data.clean import LAYOUT_STEPS, clean_record
from rmkeras.data.reading import Reading
from rmkeras.data.schemas import duplicate_key
from rmkeras.data.writers import tidy
from rmkeras.errors import RmkerasError
from rmkeras.text import DEFAULT_STEPS, Cleaner


def cleaned_rows(
    file: str, number: int = 0, steps: Sequence | None = None
) -> Iterator[tuple[tuple[int, int], str, Any]]:
    """Reads a file row by row: parsed, checked and cleaned, in bounded memory.

    Args:
        file: JSON lines or CSV; see `read_records`.
        number: Number of the file among others.
        steps: Cleaning steps; as `clean_records` chooses them if `None`.

    Yields:
        The row's place (`number`, line); `"row"` and the cleaned record, or `"bad"`
        and a string that says what is wrong.

    Example:

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "in.jsonl"
    >>> _ = file.write_text('{"text": "so  good", "rating": 3}\\n{"text": "", "rating": 1}\\n')
    >>> [(place, kind) for place, kind, _ in cleaned_rows(str(file))]
    [((0, 1), 'row'), ((0, 2), 'bad')]
    """
    reading = Reading(file, None, None)
    problems = reading.source.problems
    cleaner = None if steps is None else Cleaner(steps)
    for line, record in reading.records():
        told = _told(problems)
        if record is None:
            told.setdefault(line, f"{file}, line {line}: not usable")
        for at, text in told.items():  # Rows that cannot even be read are among them.
            yield (number, at), "bad", text
        if record is None:
            continue
        if cleaner is None:
            rating = reading.schema.name == "rating"
            cleaner = Cleaner(DEFAULT_STEPS if rating else LAYOUT_STEPS)
        record, problem = clean_record(record, cleaner, file, line)
        if record is None:
            yield (number, line), "bad", str(problem)
        else:
            yield (number, line), "row", record
    for at, text in _told(problems).items():
        yield (number, at), "bad", text


def _told(problems) -> dict[int, str]:
    """Takes the problems out, by line: a file may be bad from end to end."""
    found: dict[int, str] = {}
    for problem in problems:
        at, text = problem.line or 0, str(problem)
        found[at] = f"{found[at]}; {text}" if at in found else text
    problems.clear()
    return found


def digest(record) -> bytes:
    """Sixteen bytes that stand for what a record says: texts, verdict, rater, aspect."""
    key = repr(duplicate_key(record)).encode("utf8", "surrogatepass")
    return hashlib.blake2b(key, digest_size=16).digest()


def clean_with_beam(
    files: Sequence[str],
    out: str,
    steps: Sequence | None = None,
    pipeline=None,
    shards: int = 0,
    options=None,
) -> dict[str, int]:
    """Cleans, validates and de-duplicates feedback files as one Beam pipeline.

    What is kept is what `clean_records` keeps of the same rows one after another: of
    equal rows the first, in the order of the files and lines. Bad rows are left out,
    counted, and written to `OUT-bad` with what is wrong.

    Args:
        files: Feedback files, all of one type. Each is read by one worker at a time,
            so a large set should come in several files.
        out: Where the rows go: `OUT-00000-of-00001.jsonl` and so on.
        steps: Cleaning steps; as `clean_records` chooses them if `None`.
        pipeline: A `beam.Pipeline` to add to, which the caller runs; one of its own,
            run here, if `None`.
        shards: Number of files to write; the runner's choice if 0.
        options: `PipelineOptions` of the pipeline made here; the DirectRunner if
            `None`.

    Returns:
        Numbers of rows `read`, `kept`, `duplicates` and `bad`; empty with a pipeline
        of the caller's.

    Raises:
        RmkerasError: If Beam is not installed, or there are no files.
    """
    beam = _beam()
    files = [str(f) for f in files]
    missing = [f for f in files if not Path(f).exists() and "://" not in f]
    if not files or missing:
        raise RmkerasError(
            f"no file {missing[0]}" if missing else "there are no files to clean"
        )
    own = pipeline is None
    if own:
        pipeline = beam.Pipeline(options=options)
    numbered = list(enumerate(files))

    def rows(item):
        return cleaned_rows(item[1], item[0], steps)

    def read(name):
        source = pipeline | f"files {name}" >> beam.Create(numbered)
        spread = source | f"spread {name}" >> beam.Reshuffle()
        return spread | f"read {name}" >> beam.FlatMap(rows)

    first = read("for digests")
    good = first | "good" >> beam.Filter(lambda row: row[1] == "row")
    repeated = (
        good
        | "digest" >> beam.Map(lambda row: (digest(row[2]), row[0]))
        | "the same" >> beam.GroupByKey()
        | "but the first" >> beam.FlatMap(lambda pair: sorted(pair[1])[1:])
        | "all of them" >> beam.CombineGlobally(beam.combiners.ToSetCombineFn())
    )
    kept = (
        read("for rows")
        | "good again" >> beam.Filter(lambda row: row[1] == "row")
        | "first ones"
        >> beam.Filter(
            lambda row, out: row[0] not in out, beam.pvalue.AsSingleton(repeated)
        )
        | "line" >> beam.Map(lambda row: _line_of(row[2]))
    )
    bad = first | "bad" >> beam.Filter(lambda row: row[1] == "bad")
    end = {"file_name_suffix": ".jsonl", "num_shards": shards}
    _ = kept | "write" >> beam.io.WriteToText(out, **end)
    _ = (
        bad
        | "tell" >> beam.Map(lambda row: json.dumps({"problem": row[2]}))
        | "write bad" >> beam.io.WriteToText(f"{out}-bad", **end)
    )
    for name, rows_of in (("read", first), ("kept", kept), ("bad", bad)):
        _ = rows_of | f"count {name}" >> beam.Map(_counting(beam, name))
    if not own:
        return {}
    result = pipeline.run()
    result.wait_until_finish()
    counts = dict.fromkeys(("read", "kept", "bad"), 0)
    for counter in result.metrics().query()["counters"]:
        if counter.key.metric.namespace == "rmkeras":
            counts[counter.key.metric.name] = counter.result
    counts["duplicates"] = counts["read"] - counts["kept"] - counts["bad"]
    return counts


def _counting(beam, name):
    counter = beam.metrics.Metrics.counter("rmkeras", name)

    def count(row):
        counter.inc()
        return row

    return count


def _line_of(record) -> str:
    return json.dumps(tidy(record), ensure_ascii=False)


def _beam():
    try:
        import apache_beam
    except ImportError as error:
        raise RmkerasError(
            "Apache Beam is not installed; install it with: pip install 'rmkeras[beam]' "
            "(in an environment without the locked requirements, whose protobuf is newer)"
        ) from error
    return apache_beam
