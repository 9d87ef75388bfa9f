import os
import signal
import subprocess
import sys
import textwrap
import time

import keras
import numpy as np
import pytest

from rmkeras.data import Preference
from rmkeras.errors import RmkerasError
from rmkeras.models import load_model, lstm_reward_model, training
from rmkeras.models.preference_training import pair_stream, train_preference_model
from rmkeras.text import SubwordTokenizer

GOOD = ("good", "great", "lovely")
BAD = ("bad", "awful", "dull")
SMALL = {
    "epochs": 2,
    "batch_size": 8,
    "vocabulary_size": 300,
    "progress": False,
    "model_options": {"dim": 8, "units": 6, "max_length": 24},
}


def pairs(n=96, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Preference(
            f"{rng.choice(GOOD)} film" + " very" * rng.integers(4),
            f"{rng.choice(BAD)} film" + " very" * rng.integers(4),
            prompt="how was it? ",
        )
        for _ in range(n)
    ]


def test_it_learns_to_rank_unseen_pairs():
    model, history = train_preference_model(
        pairs(), pairs(40, seed=1), **{**SMALL, "epochs": 6, "learning_rate": 1e-2}
    )
    assert history["val_pairwise_accuracy"][-1] > 0.95
    good, bad = model.score(["great film", "awful film"], prompts=["how was it? "] * 2)
    assert good > bad


def test_both_sides_of_a_pair_are_one_pass():
    model = lstm_reward_model(
        SubwordTokenizer.train(["a good bad film"] * 3, 300), dim=8, units=4
    )
    stream, _ = pair_stream(model, pairs(5))
    ((ids, targets),) = stream.batches(8)
    rewards = np.array(model(ids))
    assert rewards.shape == (5, 2) and targets.shape == (5, 2)
    each = [np.array(model(ids[:, side]))[:, 0] for side in (0, 1)]
    np.testing.assert_allclose(rewards, np.stack(each, 1), atol=1e-6)


def test_training_and_scoring_read_the_same_ids():
    model = lstm_reward_model(
        SubwordTokenizer.train(["a good bad film"] * 3, 300),
        dim=8,
        units=4,
        max_length=12,
    )
    long = Preference("good film", "bad film", prompt="word " * 30)
    stream, report = pair_stream(model, [long])
    ((ids, _),) = stream.batches(1)
    assert report.truncated_prompts == 1 and report.truncated_answers == 0
    scored = model.encode([long.chosen], [long.prompt])[0]
    trained = ids[0, 0][ids[0, 0] != 0].tolist()
    assert len(scored) == 12 and scored[-1] == model.tokenizer.end_id
    # The pair is cut to its longer side, a single answer to its own length.
    assert scored[-len(trained) :] == trained


def test_pairs_that_became_identical_are_left_out_and_counted():
    same = Preference("good " * 40 + "a", "good " * 40 + "b")
    _, history = train_preference_model([*pairs(16), same], **SMALL)
    assert history["encoding"]["became_identical"] == 1
    assert history["encoding"]["kept"] == 16
    with pytest.raises(RmkerasError, match="no comparison is left"):
        train_preference_model([same], **SMALL)


@pytest.mark.parametrize("keep", [0, 10_000])
def test_a_chunk_of_pairs_that_are_all_left_out_is_no_end_of_the_file(keep):
    words = ["a good bad film"] * 3
    model = lstm_reward_model(SubwordTokenizer.train(words, 300), dim=8, units=4)
    same = Preference("good", "good")
    rows = [same, same, *pairs(3), same]
    stream, report = pair_stream(model, rows, chunk=2, keep_tokens=keep)
    assert stream.sizes == [0, 2, 1] and stream.steps(2) == 2
    assert (report.pairs, report.kept, report.dropped) == (6, 3, [0, 1, 5])
    shapes = [(ids.shape[:2], t.shape) for ids, t in stream.dataset(2, seed=0)]
    assert shapes == [((2, 2), (2, 2)), ((1, 2), (1, 2))]
    assert (report.pairs, report.kept) == (6, 3)  # counted once
    with pytest.raises(RmkerasError, match="is left to learn from: 0 of 5 pairs"):
        pair_stream(model, [same] * 5, chunk=2)
    with pytest.raises(RmkerasError, match="no records"):
        pair_stream(model, [])


def test_a_stream_and_a_list_train_the_same_model():
    rows = pairs(40)
    a, _ = train_preference_model(rows, **SMALL)
    b, _ = train_preference_model(lambda: iter(rows), **SMALL)
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_accumulated_batches_make_the_update_of_one_large_batch():
    # Four equal micro-batches, no clipping in the way, plain gradient descent.
    model = lstm_reward_model(
        SubwordTokenizer.train(["a good bad film"] * 3, 300),
        dim=8,
        units=4,
        token_dropout=0.0,
        dropout=0.0,
    )
    stream, _ = pair_stream(model, pairs(16))
    start = model.get_weights()
    results = []
    for batch, steps in ((16, None), (4, 4)):
        model.set_weights(start)
        from rmkeras.losses import BradleyTerry

        model.compile(
            keras.optimizers.SGD(0.5, gradient_accumulation_steps=steps),
            BradleyTerry(centering=0.01),
            jit_compile=False,
        )
        model.fit(stream.dataset(batch), verbose=0, shuffle=False)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


CHILD = """
import sys
from tests.models.test_preference_training import SMALL, pairs
from rmkeras.models.preference_training import train_preference_model
train_preference_model(
    pairs(400), pairs(8, 1), out=sys.argv[1], resume=sys.argv[2] == "resume",
    save_every=0.0, **SMALL,
)
"""


def test_killed_anywhere_and_resumed_equals_uninterrupted(tmp_path):
    whole, _ = train_preference_model(pairs(400), pairs(8, 1), **SMALL)
    kinds, rng = ["fresh"], np.random.default_rng(time.time_ns() % 2**32)
    for kill in (True, True, False):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path), kinds[-1]],
            stderr=subprocess.PIPE,
        )
        if not kill:
            _, errors = child.communicate(timeout=300)
            assert child.returncode == 0, errors.decode()[-2000:]
            break
        started = _stamp(tmp_path)
        while _stamp(tmp_path) == started and child.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 2.0))
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        kinds.append("resume")
    for a, b in zip(
        whole.get_weights(), load_model(tmp_path).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def _stamp(folder):
    file = folder / "model.keras"
    return file.stat().st_mtime_ns if file.exists() else None


def test_early_stopping_returns_the_best_epoch(tmp_path):
    # Held-out pairs are the wrong way round: the first epochs are the best.
    wrong = [Preference(p.rejected, p.chosen, p.prompt) for p in pairs(40, 1)]
    options = {**SMALL, "epochs": 12, "learning_rate": 2e-2, "patience": 2}
    for out in (None, tmp_path):
        model, history = train_preference_model(pairs(), wrong, out=out, **options)
        losses = history["val_loss"]
        assert len(losses) < 12 and len(losses) == int(np.argmin(losses)) + 1 + 2
        stream, _ = pair_stream(model, wrong)
        score = model.evaluate(stream.dataset(64), verbose=0, return_dict=True)["loss"]
        np.testing.assert_allclose(score, min(losses), rtol=1e-5)
    np.testing.assert_allclose(
        load_model(tmp_path).score(["good"]), model.score(["good"])
    )


class _Killed(Exception):
    pass


@pytest.mark.parametrize("save", [3, 4, 5, 6])
def test_killed_around_the_end_of_an_epoch_it_goes_on_to_the_same_weights(
    tmp_path, monkeypatch, save
):
    rows, held_out = pairs(32), pairs(8, 1)  # Four batches an epoch.
    whole, _ = train_preference_model(rows, held_out, **SMALL)
    saves = []

    def save_and_die(*arguments):
        _save(*arguments)
        saves.append(arguments)
        if len(saves) == save:
            raise _Killed

    _save = training._save
    options = {**SMALL, "out": tmp_path, "save_every": 0.0}
    with monkeypatch.context() as patch, pytest.raises(_Killed):
        patch.setattr(training, "_save", save_and_die)
        train_preference_model(rows, held_out, **options)
    model, _ = train_preference_model(rows, held_out, resume=True, **options)
    for a, b in zip(whole.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
