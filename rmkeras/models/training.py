"""One training loop for every model: `fit`, epoch by epoch, that survives Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import zipfile
from pathlib import Path

import keras

from rmkeras.errors import RmkerasError
from rmkeras.models.saving import MODEL_FILE, load_model

STATE_FILE = "training.json"
BEST_FILE = ".best.weights.h5"


class Interrupted(RmkerasError):
    """Training was stopped by the user; what was learned is saved."""

    exit_code = 130


class _Stopper(keras.callbacks.Callback):
    """Counts batches, shows a bar and stops after the batch in which Ctrl-C came."""

    def __init__(self, bar, done):
        super().__init__()
        self.bar = bar
        self.batches = done
        self.asked = False

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        if self.bar is not None:
            self.bar.set_postfix_str(
                f"loss {float((logs or {}).get('loss', 0)):.4f}", refresh=False
            )
            self.bar.update(1)
        if self.asked:
            self.model.stop_training = True


class CatchInterrupt:
    """Turns the first Ctrl-C into a request; a second one ends at once."""

    def __init__(self, stopper):
        self.stopper = stopper
        self.active = threading.current_thread() is threading.main_thread()

    def __enter__(self):
        if self.active:
            self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number, frame):
        if self.stopper.asked:
            raise KeyboardInterrupt
        self.stopper.asked = True

    def __exit__(self, *error):
        if self.active:
            signal.signal(signal.SIGINT, self.before)


def _seeds(model):
    """The generators' states, which a `.keras` file leaves out.

    Without them a resumed run would draw other dropout masks than one that was
    never stopped.
    """
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]


def _save(model, out, state):
    """Writes model and state in one file that takes its name when it is complete.

    Two files could not be renamed at once: after a kill -9 in between, a new
    model would stand beside an old state. So the state goes into the model's
    archive; `training.json` is a copy for people to read.
    """
    state = {
        **state,
        "seeds": [keras.ops.convert_to_numpy(v).tolist() for v in _seeds(model)],
    }
    out.mkdir(parents=True, exist_ok=True)
    temporary = out / f".{MODEL_FILE.removesuffix('.keras')}-{os.getpid()}.keras"
    text = out / f".{STATE_FILE}-{os.getpid()}"
    try:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(STATE_FILE, json.dumps(state))
        os.replace(temporary, out / MODEL_FILE)
        text.write_text(json.dumps(state, indent=1), encoding="utf8")
        os.replace(text, out / STATE_FILE)
    except OSError as error:
        for file in (temporary, text):
            file.unlink(missing_ok=True)
        raise RmkerasError(
            f"{out}: the checkpoint cannot be written ({error.strerror}); the last "
            "one is kept. Make room and go on with --resume"
        ) from error


def saved_state(out):
    """Reads how far the training in a folder had come.

    Args:
        out: The folder that was given to `train`.

    Returns:
        A dict with `epoch`, `batch`, `seconds`, `history` and `seeds`; `None` if
        the folder holds no checkpoint.
    """
    file = Path(out) / MODEL_FILE
    if not file.exists() or not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        if STATE_FILE not in archive.namelist():
            return None
        return json.loads(archive.read(STATE_FILE))


def train(
    model,
    batches,
    epochs,
    validation=None,
    out=None,
    resume=False,
    label="training",
    progress=True,
    how_to_resume=None,
    save_every=60.0,
    patience=None,
    monitor="val_loss",
    log_dir=None,
    after_epoch=None,
):
    """Fits a compiled model, saves it on the way, and can go on where it stopped.

    Epoch e is `model.fit` on `batches(e)`, whose order may depend on nothing but
    e. So a run that was stopped anywhere and resumed sees the same batches, with
    the same optimiser state and the same random numbers, as one that never was.

    Args:
        model: A compiled `keras.Model`.
        batches: A function from the epoch's number to a `tf.data.Dataset` of
            known length.
        epochs: Number of epochs.
        validation: A dataset to evaluate after each epoch, if any.
        out: Folder for `model.keras` and `training.json`; nothing is saved if
            `None`.
        resume: Whether to go on from what `out` holds.
        label: What the progress bar says.
        progress: Whether to show a bar on standard error.
        how_to_resume: What the message after Ctrl-C tells the user to type.
        save_every: Seconds between saves within an epoch. It is also saved after
            each epoch.
        patience: Epochs without improvement after which training stops; the best
            epoch's weights are what is returned and saved then. Off if `None`.
        monitor: What has to improve. Losses and errors fall, all else rises.
        log_dir: Folder for TensorBoard: the loss by step, all scores by epoch.
        after_epoch: A function of the model, called when an epoch is complete and
            before it is saved.

    Returns:
        The trained model (another object than `model` if it was resumed) and a
        history: a dict with a list an epoch for each metric, and `seconds`.

    Raises:
        Interrupted: After Ctrl-C, when everything is saved.
        RmkerasError: If there is nothing to resume, or the loss is not finite.
    """
    out = None if out is None else Path(out)
    state = {"epoch": 0, "batch": 0, "seconds": 0.0, "history": {}}
    if resume:
        state = None if out is None else saved_state(out)
        if state is None:
            raise RmkerasError(
                f"nothing to resume: {out} holds no checkpoint; leave out --resume to "
                "start anew"
            )
        model = load_model(out)
        for variable, value in zip(_seeds(model), state.pop("seeds"), strict=True):
            variable.assign(value)
    if model.built and not model.optimizer.built:
        # Otherwise the graph of the first step is built twice: a step that makes
        # variables cannot be run a second time.
        model.optimizer.build(model.trainable_variables)
    started = time.monotonic() - state["seconds"]
    board = Board(log_dir)

    while state["epoch"] < epochs:
        epoch = state["epoch"]
        dataset = batches(epoch)
        total = int(dataset.cardinality())
        with _bar(progress, f"{label}, epoch {epoch + 1}/{epochs}", total) as bar:
            if bar is not None and state["batch"]:
                bar.update(state["batch"])
            stopper = _Stopper(bar, state["batch"])
            logs = _fit_saving(
                model, dataset, stopper, state, out, save_every, started, board, total
            )
        if stopper.batches < total:  # Ctrl-C, not the end of the epoch
            state["seconds"] = time.monotonic() - started
            if out is None:
                raise KeyboardInterrupt
            _save(model, out, state)
            raise Interrupted(
                f"stopped in epoch {epoch + 1} of {epochs} after batch "
                f"{stopper.batches} of {total}; the model as it is now is saved in "
                f"{out} and can be used. Go on with: "
                f"{how_to_resume or 'train(…, resume=True)'}"
            )
        if after_epoch is not None:
            after_epoch(model)
        if validation is not None:
            scores = model.evaluate(validation, verbose=0, return_dict=True)
            logs.update({f"val_{k}": v for k, v in scores.items()})
        for key, value in logs.items():
            state["history"].setdefault(key, []).append(float(value))
        board.scalars(logs, (epoch + 1) * total)
        state.update(epoch=epoch + 1, batch=0, seconds=time.monotonic() - started)
        enough = patience is not None and _note_best(
            model, state, logs, monitor, patience, out
        )
        if out is not None:
            _save(model, out, state)
        if enough:
            break
        if stopper.asked and state["epoch"] < epochs:
            raise Interrupted(
                f"stopped after epoch {epoch + 1} of {epochs}; the model is saved in "
                f"{out} and can be used. Go on with: "
                f"{how_to_resume or 'train(…, resume=True)'}"
            )
    if patience is not None and state.get("best", {}).get("epoch") != state["epoch"]:
        _restore_best(model, state, out)
    return model, {**state["history"], "seconds": state["seconds"]}


def _note_best(model, state, logs, monitor, patience, out):
    """Keeps the best epoch's weights; returns whether to stop."""
    if monitor not in logs:
        raise RmkerasError(
            f"early stopping watches {monitor}, but there is only "
            f"{', '.join(logs)}; give held-out data with --valid"
        )
    falls = any(word in monitor for word in ("loss", "error", "perplexity"))
    score = -logs[monitor] if falls else logs[monitor]
    best = state.get("best")
    if best is None or score > best["score"]:
        state["best"] = {"score": score, "epoch": state["epoch"]}
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            model.save_weights(out / BEST_FILE)
        else:
            model._rmkeras_best = model.get_weights()
        return False
    return state["epoch"] - best["epoch"] >= patience


def _restore_best(model, state, out):
    if out is not None:
        model.load_weights(out / BEST_FILE)
        _save(model, out, state)
    else:
        model.set_weights(model._rmkeras_best)


class Board:
    """Scalars for TensorBoard, or nothing."""

    def __init__(self, folder):
        self.writer = None
        if folder is not None:
            import tensorflow as tf

            self.writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, values, step):
        """Writes a dict of numbers at a step."""
        if self.writer is None:
            return
        import tensorflow as tf

        with self.writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self.writer.flush()


def _fit_saving(model, dataset, stopper, state, out, save_every, started, board, total):
    """Runs what is left of one epoch; returns Keras' logs of it."""

    class Saver(keras.callbacks.Callback):
        last = time.monotonic()

        def on_train_batch_end(self, batch, logs=None):
            state["batch"] = stopper.batches
            loss = float((logs or {}).get("loss", 0.0))
            if loss != loss or loss in (float("inf"), float("-inf")):
                raise RmkerasError(
                    f"the loss is {loss} at batch {stopper.batches} of epoch "
                    f"{state['epoch'] + 1}; the last saved model is kept. Try a "
                    "smaller learning rate"
                )
            if stopper.batches % 10 == 0:
                board.scalars(
                    {"batch_loss": loss}, state["epoch"] * total + stopper.batches
                )
            if out is not None and time.monotonic() - self.last > save_every:
                state["seconds"] = time.monotonic() - started
                _save(model, out, state)
                self.last = time.monotonic()

    with CatchInterrupt(stopper):
        history = model.fit(
            dataset.skip(state["batch"]),
            epochs=1,
            verbose=0,
            shuffle=False,
            callbacks=[stopper, Saver()],
        )
    return {k: v[0] for k, v in history.history.items()}


class _bar:
    """A tqdm bar on standard error, or nothing."""

    def __init__(self, show, text, total):
        self.show, self.text, self.total = show, text, total

    def __enter__(self):
        if not self.show:
            return None
        from tqdm import tqdm

        self.bar = tqdm(
            total=self.total, desc=self.text, unit="batch", leave=False, mininterval=0.5
        )
        return self.bar

    def __exit__(self, *error):
        if self.show:
            self.bar.close()
