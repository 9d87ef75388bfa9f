import errno

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmkeras.distribute import Checkpoints, read_checkpoint
from rmkeras.errors import RmkerasError

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], "int64")}


def filled(folder, updates=(10, 20, 30), **options):
    kept = Checkpoints(folder, **options)
    for update in updates:
        kept.save(
            update, {"update": update}, {k: v + update for k, v in ARRAYS.items()}
        )
    return kept


def test_the_newest_comes_back_and_the_oldest_goes(tmp_path):
    kept = filled(tmp_path, (10, 20, 30, 40), keep=3)
    numbers, arrays = kept.latest()
    assert numbers == {"update": 40}
    np.testing.assert_array_equal(arrays["a"], ARRAYS["a"] + 40)
    assert arrays["b"].dtype == np.int64
    assert [f.name[-7:-5] for f in kept.files()] == ["40", "30", "20"]
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".")]


def test_what_is_damaged_is_passed_over(tmp_path):
    said = []
    kept = filled(tmp_path, say=said.append)
    newest, middle, _ = kept.files()
    newest.write_bytes(newest.read_bytes()[:-100])  # cut short
    data = bytearray(middle.read_bytes())
    data[len(data) // 2] ^= 1  # one bit
    middle.write_bytes(bytes(data))
    assert kept.latest()[0] == {"update": 10}
    assert len(said) == 2 and "passed over" in said[0]
    kept.files()[-1].write_bytes(b"")
    with pytest.raises(RmkerasError, match="all 3 checkpoints"):
        kept.latest()
    assert Checkpoints(tmp_path / "none").latest() is None


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_is_ever_read(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("flip")
    file = Checkpoints(folder).save(1, {"n": 1}, ARRAYS)
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    file.write_bytes(bytes(data))
    with pytest.raises((ValueError, OSError)):
        read_checkpoint(file)


def test_a_full_disk_is_a_message_and_loses_nothing(tmp_path, monkeypatch):
    kept = filled(tmp_path)

    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(RmkerasError, match=r"No space left.*000030.ckpt is kept.*Make"):
        kept.save(40, {}, ARRAYS)
    monkeypatch.undo()
    assert kept.latest()[0] == {"update": 30}
    assert len(list(tmp_path.iterdir())) == 3
