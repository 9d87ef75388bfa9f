import json

import numpy as np
import pytest

from rmkeras.data.beam import clean_with_beam, cleaned_rows
from rmkeras.data.clean import clean_records
from rmkeras.errors import RmkerasError


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    words = ["good", "bad", "film", "&lt;3", "so  nice", ""]
    names = []
    for number in range(2):
        lines = []
        for _ in range(150):
            text = " ".join(rng.choice(words, size=rng.integers(0, 4)))
            lines.append(json.dumps({"text": text, "rating": int(rng.integers(-2, 3))}))
        lines.insert(40, "{broken")
        names.append(tmp_path / f"in-{number}.jsonl")
        names[-1].write_text("\n".join(lines) + "\n", "utf8")
    return names


def test_rows_one_by_one_are_those_of_the_whole_file(files, tmp_path):
    kinds = [kind for _, kind, _ in cleaned_rows(str(files[0]))]
    report = clean_records(files[0], tmp_path / "out.jsonl", drop_bad=True)
    assert kinds.count("bad") == report.counts["bad"] > 1
    kept = report.counts["kept"] + report.counts["duplicates"]
    assert kinds.count("row") == kept


def test_a_missing_file_is_a_message(tmp_path):
    pytest.importorskip("apache_beam")
    with pytest.raises(RmkerasError, match="no file"):
        clean_with_beam([tmp_path / "none.jsonl"], str(tmp_path / "out"))


def test_beam_keeps_what_data_clean_keeps(files, tmp_path):
    pytest.importorskip("apache_beam", reason="needs apache-beam (the extra beam)")
    both = tmp_path / "both.jsonl"
    both.write_text("".join(f.read_text("utf8") for f in files), "utf8")
    report = clean_records(both, tmp_path / "wanted.jsonl", drop_bad=True)
    counts = clean_with_beam(files, str(tmp_path / "out"), shards=1)
    assert counts == {k: report.counts[k] for k in counts}
    (out,) = tmp_path.glob("out-0*.jsonl")
    wanted = (tmp_path / "wanted.jsonl").read_text("utf8").splitlines()
    assert sorted(out.read_text("utf8").splitlines()) == sorted(wanted)
    (bad,) = tmp_path.glob("out-bad-0*.jsonl")
    assert len(bad.read_text("utf8").splitlines()) == counts["bad"]


def test_tfds_prepares_the_same_rows_by_beam(files, tmp_path):
    pytest.importorskip("apache_beam", reason="needs apache-beam (the extra beam)")
    from rmkeras.data.beam_tfds import FeedbackSet

    both = tmp_path / "both.jsonl"
    both.write_text("".join(f.read_text("utf8") for f in files), "utf8")
    clean_records(both, tmp_path / "wanted.jsonl", drop_bad=True)
    builder = FeedbackSet(files=files, data_dir=tmp_path / "tfds")
    builder.download_and_prepare()
    found = {
        (row["text"].decode(), float(row["rating"]))
        for row in builder.as_dataset(split="train").as_numpy_iterator()
    }
    lines = (tmp_path / "wanted.jsonl").read_text("utf8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert found == {(r["text"], float(r["rating"])) for r in rows}
    assert builder.info.splits["train"].num_examples == len(rows)
