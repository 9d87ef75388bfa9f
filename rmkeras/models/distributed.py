"""Training on several devices or machines, with the face of `train`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
from pathlib import Path

import keras
import numpy as np

from rmkeras.distribute import Checkpoints, Group, Preempted, Stopped, TrainingLoop
from rmkeras.distribute.same_run import check_same_run
from rmkeras.distribute.strategies import strategy as named_strategy
from rmkeras.errors import RmkerasError
from rmkeras.models.saving import MODEL_FILE, load_model

CHECKPOINTS = "checkpoints"


class _Asked(Preempted):
    """SIGTERM and Ctrl-C alike; remembers which it was."""

    signals = (signal.SIGTERM, signal.SIGINT)
    interrupted = False

    def _ask(self, number, frame):
        self.interrupted = number == signal.SIGINT
        super()._ask(number, frame)


def copy_in_scope(model, strategy):
    """Makes a second model with the same weights in a strategy's scope.

    Args:
        model: A built model that can be saved.
        strategy: A `tf.distribute.Strategy`.

    Returns:
        A model of the same class, not compiled.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, MODEL_FILE)
        model.save(file)
        with strategy.scope():
            copy = keras.saving.load_model(file, compile=False, safe_mode=True)
    ours = [v.path for v in model.trainable_variables]
    if len(copy.trainable_variables) != len(ours):
        raise RmkerasError(
            f"{type(model).__name__} trains {len(ours)} weights, and "
            f"{len(copy.trainable_variables)} when it is loaded again; train it on one "
            "device"
        )
    # A file leaves the random generators' states out.
    _copy(model, copy)
    return copy


def has_checkpoints(out):
    """Whether a folder holds checkpoints of the loop.

    Args:
        out: The folder that was given to `train`, or `None`.

    Returns:
        A bool.
    """
    return out is not None and bool(Checkpoints(Path(out) / CHECKPOINTS).files())


def train_distributed(
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
    strategy,
    decides=None,
):
    """Trains a copy of a compiled model under a strategy; see `train`.

    The weights come back into `model` after each epoch, which is where it is
    measured and saved. The chief alone writes.

    Returns:
        The model and its history.
    """
    from rmkeras.models.training import Board, _bar, _note_best

    if isinstance(strategy, str):
        strategy = named_strategy(strategy)
    _check_balance(model)
    group = Group(strategy)
    out = None if out is None else Path(out)
    checkpoints = None
    if out is not None:
        checkpoints = Checkpoints(out / CHECKPOINTS, say=_say)
        if resume and group.is_chief and not checkpoints.files():
            _take_over(out, checkpoints, decides)
    loop = TrainingLoop(
        copy_in_scope(model, strategy), model.loss, model.optimizer, strategy
    )
    chief = group.is_chief
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    board = Board(log_dir if chief else None)
    with contextlib.ExitStack() as stack:
        asked = stack.enter_context(_Asked())
        bars = _Bars(_bar, progress and chief, label, epochs, batches)
        stack.callback(bars.close)

        def on_update(loop, state, loss):
            bars.update(state, loss)
            if state["update"] % 10 == 0:
                board.scalars({"batch_loss": loss}, state["update"])

        def on_epoch(loop, state):
            bars.close()
            _copy(loop.model, model, strategy)
            _copy_optimizer(loop, model, strategy)
            if after_epoch is not None:
                after_epoch(model)
                _copy(model, loop.model)
            logs = {"loss": state["history"]["loss"][-1]}
            if validation is not None:
                scores = model.evaluate(validation, verbose=0, return_dict=True)
                scores = {f"val_{k}": float(v) for k, v in scores.items()}
                for key, value in scores.items():
                    state["history"].setdefault(key, []).append(value)
                logs |= scores
            board.scalars(logs, state["update"])
            if patience is not None:
                where = out if chief else None
                state["enough"] = _note_best(
                    model, state, logs, monitor, patience, where
                )
            if chief and out is not None:
                _save_model(model, out, state)

        try:
            history = loop.run(
                batches,
                epochs,
                checkpoints,
                resume,
                save_every,
                on_update,
                on_epoch,
                asked,
                decides=decides,
            )
        except Stopped as stop:
            if out is None:
                raise KeyboardInterrupt from stop
            _copy(loop.model, model, strategy)
            if chief:
                _save_model(model, out, loop.state)
            raise _stopped(stop, asked, out, how_to_resume) from stop
    _copy(loop.model, model, strategy)
    best = loop.state.get("best")
    if best and best["epoch"] != loop.state["epoch"] and chief:
        _take_best(model, out)
    if chief and out is not None:
        _save_model(model, out, loop.state)
    return model, history


def _stopped(stop, asked, out, how_to_resume):
    from rmkeras.models.training import Interrupted

    again = how_to_resume or "train(…, resume=True)"
    message = (
        f"{str(stop).split(';')[0]}; everything is saved in {out}, and the model as it "
        f"is now can be used. Go on with: {again}"
    )
    return Interrupted(message) if asked.interrupted else Stopped(message)


def _check_balance(model):
    if getattr(model, "balance", "fixed") != "fixed":
        raise RmkerasError(
            f"balance {model.balance!r} weighs each batch by its own means, which no sum "
            "over devices is; take --balance fixed, or train on one device without "
            "--strategy"
        )


def _say(line):
    import sys

    print(f"rmkeras: {line}", file=sys.stderr, flush=True)


def _copy(source, target, strategy=None):
    for ours, theirs in zip(source.variables, target.variables, strict=True):
        value = ours.value
        if strategy is not None:
            value = strategy.experimental_local_results(value)[0]
        theirs.assign(np.array(value))


def _copy_optimizer(loop, model, strategy):
    """Gives the plain model the optimizer's state, so that it can be trained on."""
    ours, theirs = loop.optimizer.variables, model.optimizer.variables
    if [v.shape for v in ours] == [v.shape for v in theirs]:
        for source, target in zip(ours, theirs, strict=True):
            value = strategy.experimental_local_results(source.value)[0]
            target.assign(np.array(value))


def _save_model(model, out, state):
    """Writes `model.keras` for use; what training needs is in the checkpoints."""
    temporary = out / f".model-{os.getpid()}.keras"
    try:
        out.mkdir(parents=True, exist_ok=True)
        model.save(temporary)
        os.replace(temporary, out / MODEL_FILE)
        told = {k: state[k] for k in ("epoch", "batch", "update", "seconds", "history")}
        (out / "training.json").write_text(json.dumps(told, indent=1), encoding="utf8")
    except OSError as error:
        with contextlib.suppress(OSError):  # `out` may be no folder at all.
            temporary.unlink(missing_ok=True)
        raise RmkerasError(
            f"{out}: the model cannot be written ({error.strerror}); the last one and "
            "the checkpoints are kept. Make room and go on with --resume"
        ) from error


def _take_best(model, out):
    from rmkeras.models.training import BEST_FILE

    if out is None:
        model.set_weights(model._rmkeras_best)
    else:
        model.load_weights(out / BEST_FILE)


def _take_over(out, checkpoints, decides):
    """Turns what `fit` saved into a checkpoint of the loop."""
    from rmkeras.models.training import saved_state

    state = saved_state(out)
    if state is None:
        return
    check_same_run(out, state.get("decides"), decides)
    model = load_model(out)
    if model.optimizer.gradient_accumulation_steps:
        raise RmkerasError(
            f"{out} was begun on one device with accumulation, whose half-summed "
            "gradients cannot be shared out; go on without --strategy"
        )
    seeds = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    for variable, value in zip(seeds, state.pop("seeds"), strict=True):
        variable.assign(value)
    arrays = {f"model_{i}": v for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer_{i}": v for i, v in enumerate(model.optimizer.variables)}
    arrays = {k: keras.ops.convert_to_numpy(v) for k, v in arrays.items()}
    update = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
    state |= {"update": update, "loss": [0.0, 0.0]}
    state.setdefault("enough", False)
    checkpoints.save(update, state, arrays)


class _Bars:
    """A bar an epoch, on the chief's standard error."""

    def __init__(self, make, show, label, epochs, batches):
        self.make, self.show, self.label, self.epochs = make, show, label, epochs
        self.batches, self.bar, self.shown = batches, None, None

    def update(self, state, loss):
        if not self.show:
            return
        if self.bar is None:
            total = int(self.batches(state["epoch"]).cardinality())
            text = f"{self.label}, epoch {state['epoch'] + 1}/{self.epochs}"
            self.shown = self.make(True, text, total if total > 0 else None)
            self.bar = self.shown.__enter__()
        self.bar.update(state["batch"] - self.bar.n)
        self.bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)

    def close(self):
        if self.bar is not None:
            self.shown.__exit__()
            self.bar = None
