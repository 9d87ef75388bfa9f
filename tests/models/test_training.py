import os
import signal
import threading
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from rmkeras.data import Rating
from rmkeras.errors import RmkerasError
from rmkeras.models import load_model, training
from rmkeras.models.reward_training import reward_batches, train_reward_model
from rmkeras.models.training import Interrupted

WORDS = {"good": 2.0, "great": 3.0, "bad": -2.0, "awful": -3.0, "film": 0.0, "the": 0.0}
SMALL = {
    "epochs": 2,
    "batch_size": 8,
    "vocabulary_size": 300,
    "progress": False,
    "model_options": {"dim": 8, "units": 6},
}


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(120):
        words = rng.choice(list(WORDS), size=rng.integers(1, 6))
        rows.append(Rating(" ".join(words), float(np.mean([WORDS[w] for w in words]))))
    return rows


def interrupt_after(monkeypatch, batches, number=signal.SIGINT):
    """Sends this process a real signal after so many training batches."""
    from rmkeras.models import training

    seen = {"n": 0}
    original = training._Stopper.on_train_batch_end

    def patched(self, batch, logs=None):
        original(self, batch, logs)
        seen["n"] += 1
        if seen["n"] == batches:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(training._Stopper, "on_train_batch_end", patched)


@pytest.mark.parametrize("stop", [1, 15, 22])
def test_interrupted_and_resumed_equals_uninterrupted(
    records, tmp_path, monkeypatch, stop
):
    assert threading.current_thread() is threading.main_thread()
    whole, history = train_reward_model(records[:120], records[:20], **SMALL)
    with monkeypatch.context() as patch:
        interrupt_after(patch, stop)
        with pytest.raises(Interrupted, match="Go on with"):
            train_reward_model(records, records[:20], out=tmp_path, **SMALL)
    # What is on the disk can be used as it is.
    assert np.isfinite(load_model(tmp_path).score(["good film"])).all()
    resumed, again = train_reward_model(
        records, records[:20], out=tmp_path, resume=True, **SMALL
    )
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    told = {"loss", "val_loss"}
    told |= {key for key in history if isinstance(history[key], list)}
    for key in told:  # Of all batches of an epoch, also of those before the stop.
        assert len(history[key]) == 2 and history[key] == again[key], key
    assert not [f for f in os.listdir(tmp_path) if f.startswith(".")]


def test_killed_before_the_first_checkpoint_was_due(records, tmp_path, monkeypatch):
    """`save_every` is a minute; a kill in the first one must not lose the run."""
    from rmkeras.models import training

    class Killed(BaseException):
        pass

    def die(self, batch, logs=None):
        raise Killed  # Nothing after this runs, as after a kill -9.

    whole, _ = train_reward_model(records, **SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(training._Stopper, "on_train_batch_end", die)
        with pytest.raises(Killed):
            train_reward_model(records, out=tmp_path, **SMALL)
    resumed, _ = train_reward_model(records, out=tmp_path, resume=True, **SMALL)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_that_patience_ended_only_comes_back(tmp_path):
    def batches(epoch):
        x = np.full((4, 1), 1.0 + epoch, "float32")
        return tf.data.Dataset.from_tensor_slices((x, -x)).batch(2)

    def run(**how):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.1), "mse", jit_compile=False)
        held_out = batches(0).map(lambda x, y: (x, x))  # it only gets worse
        model, history = training.train(
            model, batches, 6, held_out, patience=2, progress=False, **how
        )
        return model.get_weights(), history

    weights, history = run(out=tmp_path)
    losses = history["val_loss"]
    assert len(losses) == int(np.argmin(losses)) + 1 + 2 < 6
    again, its_history = run(out=tmp_path, resume=True)
    assert its_history["val_loss"] == history["val_loss"]
    for a, b in zip(weights, again, strict=True):
        np.testing.assert_array_equal(a, b)
    # Also if more devices are to go on with it.
    again, its_history = run(out=tmp_path, resume=True, strategy="one")
    assert its_history["val_loss"] == history["val_loss"]
    for a, b in zip(weights, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_machine_taken_away_ends_well_and_a_damaged_file_is_passed_over(
    records, tmp_path, monkeypatch, capsys
):
    whole, _ = train_reward_model(records, **SMALL)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 20, signal.SIGTERM)
        with pytest.raises(Interrupted, match="Go on with") as stopped:
            train_reward_model(records, out=tmp_path, **SMALL)
    assert stopped.value.exit_code == 0
    # The file of the first epoch is still there, beside that of batch 20.
    file = tmp_path / "model.keras"
    file.write_bytes(file.read_bytes()[:-500])
    resumed, _ = train_reward_model(records, out=tmp_path, resume=True, **SMALL)
    assert "the checkpoint before it is taken" in capsys.readouterr().err
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_training_of_one_batch_moves_the_weights(records):
    moved = []
    for rate in (1e-9, 1e-3):
        options = {**SMALL, "epochs": 1, "batch_size": 64, "learning_rate": rate}
        model, _ = train_reward_model(records[:8], **options)
        moved.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert np.abs(moved[1] - moved[0]).max() > 1e-4


def test_accumulating_more_batches_than_there_are_is_refused(records, tmp_path, capsys):
    few = {**SMALL, "epochs": 2, "batch_size": 8}  # 5 batches an epoch, 10 in all
    with pytest.raises(RmkerasError, match=r"accumulate is 11, but .* 10 batches"):
        train_reward_model(records[:40], out=tmp_path / "a", accumulate=11, **few)
    assert not (tmp_path / "a").exists()
    assert not capsys.readouterr().err
    train_reward_model(records[:40], accumulate=4, **few)
    assert "the last 2 of 10 batches" in capsys.readouterr().err
    train_reward_model(records[:40], accumulate=5, **few)
    assert not capsys.readouterr().err


def test_it_learns_and_speaks_in_the_ratings_unit(records):
    model, history = train_reward_model(
        records, records[:20], **{**SMALL, "epochs": 12, "learning_rate": 1e-2}
    )
    good, bad = model.score(["great good", "awful bad"])
    assert good > 1.5 and bad < -1.5
    assert history["loss"][-1] < 0.3 * history["loss"][0]


def test_a_classifier_learns_the_threshold(records):
    model, history = train_reward_model(
        records,
        records[:20],
        loss="bce",
        threshold=0.5,
        **{**SMALL, "epochs": 10, "learning_rate": 1e-2},
    )
    p = model.score(["great good", "awful bad"])
    assert p[0] > 0.9 and p[1] < 0.1
    assert history["accuracy"][-1] > 0.85
    _, y = next(
        iter(reward_batches(model, [Rating("x", 0.5), Rating("x", 0.6)], 2, 0.5))
    )
    assert np.array(y)[:, 0].tolist() == [0.0, 1.0]


def test_texts_on_which_raters_agree_count_more(records):
    sure = [replace(r, ratings=(r.rating, r.rating)) for r in records[:60]]
    # The same texts by a crowd that is split and, on average, says the opposite.
    split = [replace(r, rating=-r.rating, ratings=(-40, 40)) for r in records[:60]]
    options = {**SMALL, "epochs": 15, "learning_rate": 1e-2}
    scores = {}
    for loss in ("raters", "mse"):
        model, history = train_reward_model(sure + split, loss=loss, **options)
        scores[loss] = model.score(["great good"])[0] - model.score(["awful bad"])[0]
        assert np.isfinite(history["pearson"]).all()
    assert scores["raters"] > 2.0 > abs(scores["mse"]) + 0.5


def test_prompt_and_answer_are_read_together():
    rows = [Rating("yes", 1.0, prompt="good?"), Rating("yes", -1.0, prompt="bad?")] * 20
    model, _ = train_reward_model(
        rows, **{**SMALL, "epochs": 25, "learning_rate": 2e-2}
    )
    good, bad = model.score(["yes", "yes"], prompts=["good?", "bad?"])
    assert good > 0.5 and bad < -0.5


def test_bad_options_are_named(records, tmp_path):
    for wrong, message in (
        ({"model": "gru"}, "no model 'gru'"),
        ({"loss": "hinge"}, "no loss 'hinge'"),
        ({"loss": "bce", "threshold": 9.0}, "nothing to tell apart"),
        ({"resume": True, "out": tmp_path}, "nothing to resume"),
    ):
        with pytest.raises(RmkerasError, match=message):
            train_reward_model(records, **{**SMALL, **wrong})
    with pytest.raises(RmkerasError, match="no records"):
        train_reward_model([], **SMALL)


def test_a_loss_that_is_not_finite_stops_the_run(records):
    with pytest.raises(RmkerasError, match=r"loss is (nan|inf)"):
        train_reward_model(
            [*records, Rating("good", float("inf"))],
            **{**SMALL, "learning_rate": 1e-3},
        )
