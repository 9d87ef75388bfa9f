"""One training loop for every model: `fit`, epoch by epoch, that survives Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import zipfile
from pathlib import Path

import keras

from rmkeras.distribute.guard import check_fit
from rmkeras.distribute.same_run import check_same_run
from rmkeras.errors import RmkerasError
from rmkeras.models.saving import MODEL_FILE, keep_before, load_model, mend

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


class Preempted(Interrupted):
    """Training was stopped by SIGTERM, as machines do that are taken away."""

    exit_code = 0


class CatchInterrupt:
    """Turns the first Ctrl-C or SIGTERM into a request; a second one ends at once."""

    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, stopper):
        self.stopper = stopper
        self.active = threading.current_thread() is threading.main_thread()

    def __enter__(self):
        if self.active:
            self.before = {s: signal.signal(s, self._ask) for s in self.signals}
        return self

    def _ask(self, number, frame):
        if self.stopper.asked:
            raise KeyboardInterrupt
        self.stopper.asked = True
        self.stopper.stopped_by = Preempted if number == signal.SIGTERM else Interrupted

    def __exit__(self, *error):
        if self.active:
            for number, handler in self.before.items():
                signal.signal(number, handler)


def generator_states(model):
    """The generators' states, which a `.keras` file leaves out.

    Without them a resumed run would draw other dropout masks than one that was
    never stopped.
    """
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]


def _averages(model):
    """The running sums of the loss and the metrics, which `fit` would begin anew."""
    return [v for metric in model.metrics for v in metric.variables]


def _values(variables):
    return [keras.ops.convert_to_numpy(v).tolist() for v in variables]


def _save(model, out, state):
    """Writes model and state in one file that takes its name when it is complete.

    Two files could not be renamed at once: after a kill -9 in between, a new
    model would stand beside an old state. So the state goes into the model's
    archive; `training.json` is a copy for people to read.
    """
    state = {
        **state,
        "seeds": _values(generator_states(model)),
        # Of the batches that this epoch has had, if it is not complete.
        "averages": _values(_averages(model)) if state["batch"] else [],
    }
    temporary = out / f".{MODEL_FILE.removesuffix('.keras')}-{os.getpid()}.keras"
    text = out / f".{STATE_FILE}-{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(STATE_FILE, json.dumps(state))
        keep_before(out)
        os.replace(temporary, out / MODEL_FILE)
        text.write_text(json.dumps(state, indent=1), encoding="utf8")
        os.replace(text, out / STATE_FILE)
    except OSError as error:
        for file in (temporary, text):
            with contextlib.suppress(OSError):  # `out` may be no folder at all.
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
        A dict with `epoch`, `batch`, `seconds`, `history`, `seeds`, `averages` and
        perhaps `decides`; `None` if the folder holds no checkpoint.
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
    strategy=None,
    decides=None,
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
        resume: Whether to go on from what `out` holds. A run that was complete, or
            ended by `patience`, only comes back.
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
        strategy: A `tf.distribute.Strategy`, or a name for
            `rmkeras.distribute.strategy`: then `TrainingLoop` trains, to the same
            weights but for rounding, and checkpoints are in `out/checkpoints`. Keras'
            `fit` on one device if `None`, unless `out` holds such checkpoints.
        decides: A dict of what may not change on the way, see `run_decides`. It is
            saved, and compared when the run goes on.

    Returns:
        The trained model (another object than `model` if it was resumed) and a
        history: a dict with a list an epoch for each metric, and `seconds`.

    Raises:
        Interrupted: After Ctrl-C or SIGTERM, when everything is saved.
        WorkerLost: If another worker is gone.
        RmkerasError: If there is nothing to resume, or what `decides` says was
            otherwise, or the loss is not finite.
    """
    from rmkeras.models.distributed import has_checkpoints, train_distributed

    if strategy is not None or (resume and has_checkpoints(out)):
        return train_distributed(
            model,
            batches,
            epochs,
            validation,
            out,
            resume,
            label,
            progress,
            how_to_resume,
            save_every,
            patience,
            monitor,
            log_dir,
            after_epoch,
            strategy or "one",
            decides,
        )
    check_fit(model)
    _check_accumulation(model, batches, epochs)
    out = None if out is None else Path(out)
    state = {"epoch": 0, "batch": 0, "seconds": 0.0, "history": {}}
    if decides:
        state["decides"] = decides
    if resume:
        if out is not None:
            mend(out)
        state = None if out is None else saved_state(out)
        if state is None:
            raise RmkerasError(
                f"nothing to resume: {out} holds no checkpoint; leave out --resume to "
                "start anew"
            )
        check_same_run(out, state.get("decides"), decides)
        model = load_model(out)
        for variable, value in zip(
            generator_states(model), state.pop("seeds"), strict=True
        ):
            variable.assign(value)
    if model.built and not model.optimizer.built:
        # Otherwise the graph of the first step is built twice: a step that makes
        # variables cannot be run a second time.
        model.optimizer.build(model.trainable_variables)
    if out is not None and not resume and model.built:
        _save(model, out, state)  # A kill may come before the first one is due.
    started = time.monotonic() - state["seconds"]
    board = Board(log_dir)

    # A run that patience ended is complete: what is saved are the best weights, with
    # the optimizer of later ones.
    while state["epoch"] < epochs and not state.get("enough"):
        epoch = state["epoch"]
        if state.get("averages"):
            # A loaded model's metrics have no variables before they have seen a
            # batch. Not one of `dataset`: what shuffles it would go on from there.
            model.evaluate(batches(epoch).take(1), verbose=0)
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
            raise stopper.stopped_by(
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
        if patience is not None:
            state["enough"] = _note_best(model, state, logs, monitor, patience, out)
        if out is not None:
            _save(model, out, state)
        if stopper.asked and state["epoch"] < epochs and not state.get("enough"):
            raise stopper.stopped_by(
                f"stopped after epoch {epoch + 1} of {epochs}; the model is saved in "
                f"{out} and can be used. Go on with: "
                f"{how_to_resume or 'train(…, resume=True)'}"
            )
    if patience is not None and state.get("best", {}).get("epoch") != state["epoch"]:
        _restore_best(model, state, out)
    return model, {**state["history"], "seconds": state["seconds"]}


def _check_accumulation(model, batches, epochs):
    """Refuses a training without any update; says what comes too late for one."""
    every = model.optimizer.gradient_accumulation_steps or 1
    if every == 1:
        return
    an_epoch = int(batches(0).cardinality())
    total = an_epoch * epochs
    if every > total:
        raise RmkerasError(
            f"accumulate is {every}, but there are only {total} batches in all "
            f"({an_epoch} an epoch), so nothing would be learned; take {total} at most, "
            "smaller batches, or more epochs"
        )
    if total % every:
        print(
            f"rmkeras: the last {total % every} of {total} batches make no update: "
            f"accumulate is {every}",
            file=sys.stderr,
            flush=True,
        )


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
    """Runs what is left of one epoch; returns Keras' logs of all of it."""
    saved = state.pop("averages", [])

    class Saver(keras.callbacks.Callback):
        last = time.monotonic()

        def on_epoch_begin(self, epoch, logs=None):
            if saved:  # `fit` has just begun them anew.
                pairs = zip(_averages(self.model), saved, strict=True)
                for variable, value in pairs:
                    variable.assign(value)

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
            # Not after the epoch's last batch: nothing would be left to fit, and
            # the complete epoch is saved in a moment.
            due = time.monotonic() - self.last > save_every
            if out is not None and due and stopper.batches < total:
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
