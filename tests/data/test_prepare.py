import hashlib
import io
import os
import subprocess
import sys
import tarfile
import textwrap
import time
from pathlib import Path

import pytest

from rmkeras.data import archive, load_human_ratings, prepare, prepare_human_ratings
from rmkeras.data.archive import DOMAINS, HumanRating, read_archive, split_examples
from rmkeras.errors import RmkerasError

TEXTS = 20


def tar(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as out:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def text_files():
    """A small copy of the archive's files, quirks included."""
    files = {}
    for domain in DOMAINS:
        texts = [
            f"{i}\t{i % 3}\tte\u2028xt &amp; {i} of {domain}" for i in range(TEXTS)
        ]
        people = [f"{i}\t1.0\t0.5\t[{i % 3}, {i % 3 + 1}]" for i in range(TEXTS)]
        folder = archive.INNER_FOLDER
        files[f"{folder}/{domain}_GroundTruth.txt"] = "\r\n".join(texts).encode()
        # This one has a byte-order mark, and the other order of lines.
        data = "\r\n".join(people[::-1]) + "\r\n"
        files[f"{folder}/{domain}_anonDataRatings.txt"] = data.encode("utf-8-sig")
    return files


def source_distribution(files):
    return tar({archive.INNER_MEMBER: tar(files)})


@pytest.fixture
def sdist(tmp_path, monkeypatch):
    """A file that passes for the pinned archive."""
    return pin(source_distribution(text_files()), tmp_path, monkeypatch)


def pin(data, tmp_path, monkeypatch):
    path = tmp_path / "given" / archive.ARCHIVE_NAME
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    monkeypatch.setattr(archive, "ARCHIVE_SHA256", hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(archive, "ARCHIVE_BYTES", len(data))
    return path


@pytest.fixture
def fake_pip(tmp_path, monkeypatch):
    """Puts a module named pip, with the given body, in front of the real one."""

    def install(body):
        folder = tmp_path / "fake" / "pip"
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        prelude = (
            "import pathlib, shutil, sys\nto = sys.argv[sys.argv.index('--dest') + 1]\n"
        )
        (folder / "__main__.py").write_text(prelude + textwrap.dedent(body))
        monkeypatch.setenv("PYTHONPATH", str(folder.parent))

    return install


@pytest.fixture
def no_build(monkeypatch):
    """Replaces the slow part by one file for each configuration."""

    def build(built, manual, say):
        assert (manual / archive.ARCHIVE_NAME).is_file()
        for config in prepare.CONFIGS:
            folder = built / prepare.DATASET / config / prepare.VERSION
            folder.mkdir(parents=True)
            (folder / "dataset_info.json").write_text("{}")

    monkeypatch.setattr(prepare, "_build", build)


def everything_below(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def refused(data_dir, match, **options):
    """Expects one sentence, and nothing left behind."""
    with pytest.raises(RmkerasError, match=match) as caught:
        prepare_human_ratings(data_dir, say=lambda line: None, **options)
    assert "\n" not in str(caught.value)
    assert not data_dir.exists()
    assert not data_dir.parent.exists()


def test_the_whole_way_from_an_archive_to_records(sdist, tmp_path):
    lines = []
    data_dir = tmp_path / "cache"
    done = prepare_human_ratings(data_dir, archive=sdist, say=lines.append)
    assert not done.already
    assert os.listdir(data_dir) == ["human_ratings"]
    assert len([line for line in lines if "building" in line]) == 5

    expected = split_examples(read_archive(sdist.read_bytes())["tweets"])
    for split, examples in expected.items():
        records = load_human_ratings(split, "tweets", data_dir)
        assert [r.id for r in records] == [e.id for e in examples]
        assert [r.text for r in records] == [e.text for e in examples]
        assert [r.ratings for r in records] == [e.ratings for e in examples]
        assert [r.rating for r in records] == [sum(e.ratings) / 2 for e in examples]
        assert {r.source for r in records} == {"tweets"}
    everything = load_human_ratings("test", data_dir=data_dir)
    assert [r.source for r in everything] == [d for d in DOMAINS for _ in range(4)]
    one_by_one = [load_human_ratings("test", d, data_dir) for d in DOMAINS]
    assert everything == [r for part in one_by_one for r in part]
    assert load_human_ratings("test[1:3]", data_dir=data_dir) == everything[1:3]

    before = everything_below(data_dir)
    again = prepare_human_ratings(data_dir, archive="/no/such/file", say=lines.append)
    assert again.already
    assert everything_below(data_dir) == before


def test_tfds_loads_it_by_name_with_all_features(sdist, tmp_path):
    import tensorflow_datasets as tfds

    import rmkeras.data.human_ratings  # noqa: F401

    prepare_human_ratings(tmp_path / "cache", archive=sdist, say=lambda line: None)
    data = tfds.load("human_ratings/tweets", split="all", data_dir=tmp_path / "cache")
    examples = {e["id"].decode(): e for e in data.as_numpy_iterator()}
    assert len(examples) == TEXTS
    example = examples["4"]
    assert example["ratings"].tolist() == [1, 2]
    assert example["ratings"].dtype == "int8"
    assert example["rating"] == 1.5
    assert example["rating_std"] == 0.5
    assert example["listed_rating"] == 1.0
    assert example["domain"] == b"tweets"
    assert example["text"].decode() == "te\u2028xt &amp; 4 of tweets"


def test_pip_is_the_transport(sdist, fake_pip, no_build, tmp_path):
    fake_pip(
        f"""
        (pathlib.Path(to).parent.parent / "asked").write_text(" ".join(sys.argv))
        shutil.copy({str(sdist)!r}, to)
        """
    )
    data_dir = tmp_path / "cache"
    assert not prepare_human_ratings(data_dir, say=lambda line: None).already
    asked = (data_dir / "asked").read_text()
    assert "download vaderSentiment==3.3.2 --no-deps" in asked
    assert sorted(os.listdir(data_dir)) == ["asked", "human_ratings"]


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (
            """
            pathlib.Path(to, "half").write_text("x")
            print("ERROR: first\\nERROR: No matching distribution found", file=sys.stderr)
            print("WARNING: there is a new pip", file=sys.stderr)
            sys.exit(1)
            """,
            r"could not fetch vaderSentiment==3.3.2 \(ERROR: No matching distribution",
        ),
        ("sys.exit(3)", r"could not fetch .* \(exit status 3\)"),
        ("", "did not bring vaderSentiment-3.3.2.tar.gz"),
        (
            "pathlib.Path(to, 'vaderSentiment-3.3.2.tar.gz').write_bytes(b'evil')",
            "its sha256 is",
        ),
        ("import time; time.sleep(60)", "did not finish within 1 seconds"),
    ],
)
def test_pip_fails(fake_pip, tmp_path, monkeypatch, body, match):
    fake_pip(body)
    monkeypatch.setattr(prepare, "_PIP_SECONDS", 1 if "sleep" in body else 60)
    refused(tmp_path / "new" / "cache", match)


def test_pip_is_absent(tmp_path, monkeypatch):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    refused(
        tmp_path / "new" / "cache", "pip is not installed for .*ensurepip.*--archive"
    )


def test_archive_missing(tmp_path):
    refused(
        tmp_path / "new" / "cache", "No such file", archive=tmp_path / "nowhere.tar.gz"
    )


def test_archive_truncated(sdist, tmp_path):
    whole = sdist.read_bytes()
    sdist.write_bytes(whole[: len(whole) // 2])
    match = f"truncated: {len(whole) // 2:,} bytes, expected {len(whole):,}"
    refused(tmp_path / "new" / "cache", match, archive=sdist)


def test_archive_tampered_with(sdist, tmp_path):
    data = bytearray(sdist.read_bytes())
    data[len(data) // 2] ^= 1
    sdist.write_bytes(data)
    match = f"its sha256 is {hashlib.sha256(data).hexdigest()}, expected {archive.ARCHIVE_SHA256}"
    refused(tmp_path / "new" / "cache", match, archive=sdist)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda f: f.pop("hutto_ICWSM_2014/tweets_GroundTruth.txt"),
            "has no file 'hutto",
        ),
        (
            lambda f: f.update({"hutto_ICWSM_2014/tweets_GroundTruth.txt": b"1\t2"}),
            "tweets_GroundTruth.txt:1: 2 columns",
        ),
        (
            lambda f: f.update({"hutto_ICWSM_2014/tweets_GroundTruth.txt": b"x\t2\ta"}),
            "no text",
        ),
    ],
)
def test_archive_with_other_files_inside(change, match, tmp_path, monkeypatch):
    files = text_files()
    change(files)
    with pytest.raises(RmkerasError, match=match):
        read_archive(source_distribution(files))
    path = pin(source_distribution(files), tmp_path, monkeypatch)
    refused(tmp_path / "new" / "cache", match, archive=path)


def test_archive_that_is_no_archive():
    with pytest.raises(RmkerasError, match="cannot be unpacked"):
        read_archive(b"nothing")
    with pytest.raises(RmkerasError, match="has no file"):
        read_archive(tar({"other": b""}))


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, OSError(28, "No space left"), RuntimeError]
)
def test_a_failure_while_building_leaves_nothing(sdist, tmp_path, monkeypatch, error):
    def build(built, manual, say):
        (built / "human_ratings" / "all").mkdir(parents=True)
        raise error

    monkeypatch.setattr(prepare, "_build", build)
    data_dir = tmp_path / "new" / "cache"
    with pytest.raises(RmkerasError if isinstance(error, OSError) else error):
        prepare_human_ratings(data_dir, archive=sdist, say=lambda line: None)
    assert not data_dir.parent.exists()


def test_other_data_in_the_folder_survive_a_failure(sdist, tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "_build", lambda *a: 1 / 0)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "mine").write_text("x")
    with pytest.raises(ZeroDivisionError):
        prepare_human_ratings(tmp_path / "cache", archive=sdist, say=lambda line: None)
    assert everything_below(tmp_path / "cache") == ["mine"]


def test_an_incomplete_dataset_is_replaced_and_stale_folders_go(
    sdist, no_build, tmp_path
):
    data_dir = tmp_path / "cache"
    (data_dir / "human_ratings" / "tweets").mkdir(parents=True)
    (data_dir / "human_ratings" / "tweets" / "half").touch()
    for name, age in ((".human_ratings-old", 9999), (".human_ratings-new", 0)):
        (data_dir / name).mkdir()
        os.utime(data_dir / name, (time.time() - age,) * 2)
    prepare_human_ratings(data_dir, archive=sdist, say=lambda line: None)
    assert prepare.is_prepared(data_dir)
    assert not (data_dir / "human_ratings" / "tweets" / "half").exists()
    assert sorted(os.listdir(data_dir)) == [".human_ratings-new", "human_ratings"]


def test_a_folder_that_cannot_be_made(sdist, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RmkerasError, match=r"cannot be written .*--data-dir"):
        prepare_human_ratings(tmp_path / "file" / "cache", archive=sdist)


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("RMKERAS_DATA_DIR", str(tmp_path))
    assert prepare.default_data_dir() == tmp_path
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("RMKERAS_DATA_DIR")
        else:
            monkeypatch.setenv("RMKERAS_DATA_DIR", unset)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        # In a checkout it is where `make data` puts things.
        checkout = Path(prepare.__file__).parents[2]
        assert prepare.default_data_dir() == checkout / "data" / "cache"
    monkeypatch.setattr(
        prepare, "__file__", str(tmp_path / "site" / "r" / "d" / "p.py")
    )
    assert prepare.default_data_dir() == tmp_path / "home" / ".cache" / "rmkeras"


def test_loading_before_preparing_names_the_command(tmp_path):
    with pytest.raises(RmkerasError, match="rmkeras data prepare human-ratings"):
        load_human_ratings("train", data_dir=tmp_path)
    with pytest.raises(
        RmkerasError, match="no domain 'films'; expected one of all, tw"
    ):
        load_human_ratings("train", "films", data_dir=tmp_path)


def test_the_split_is_the_one_that_was_agreed():
    examples = [HumanRating(str(i), "tweets", "", (0,), 0.0) for i in range(101)]
    parts = split_examples(examples[::-1])
    assert [len(p) for p in parts.values()] == [70, 10, 21]
    keys = [
        hashlib.sha256(f"tweets{e.id}".encode()).hexdigest()
        for p in parts.values()
        for e in p
    ]
    assert keys == sorted(keys)


def test_importing_the_data_room_is_light():
    code = (
        "import sys, rmkeras.data, rmkeras.text, rmkeras.cli; "
        "heavy = {'tensorflow', 'keras', 'tensorflow_datasets', 'nltk', 'sklearn'}; "
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
