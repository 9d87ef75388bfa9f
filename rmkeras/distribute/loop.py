"""The one training loop that runs under every strategy."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import numpy as np

from rmkeras.distribute.group import Group, WorkerLost, failures
from rmkeras.distribute.same_run import check_same_run
from rmkeras.distribute.step import Step, without_clipping
from rmkeras.distribute.strategies import strategy as named_strategy
from rmkeras.errors import RmkerasError

SEED_STRIDE = 1 << 20
"""How far apart the replicas' dropout numbers lie."""


class Stopped(RmkerasError):
    """Training was asked to stop (SIGTERM); everything is saved."""

    exit_code = 0


class Preempted:
    """Turns SIGTERM into a request; a second one ends at once.

    Example:

    >>> from rmkeras.distribute import Preempted
    >>> with Preempted() as asked:
    ...     asked.asked
    False
    """

    signals = (signal.SIGTERM,)

    def __init__(self):
        self.asked = False
        self.active = threading.current_thread() is threading.main_thread()

    def __enter__(self):
        if self.active:
            self.before = {s: signal.signal(s, self._ask) for s in self.signals}
        return self

    def _ask(self, number, frame):
        if self.asked:
            raise SystemExit(128 + number)
        self.asked = True

    def __exit__(self, *error):
        if self.active:
            for number, handler in self.before.items():
                signal.signal(number, handler)


class TrainingLoop:
    """Trains a Keras model under any strategy, to the same weights.

    The same global batches give the same weights (to rounding) on one device, on
    several and on several machines: losses are summed over all rows and divided by
    all weights, also of an odd last batch; clipping acts on the gradient of the
    whole batch; accumulated batches are one large batch, and schedules and averages
    count updates.

    Dropout draws other numbers on each replica, so with dropout other numbers of
    replicas agree within noise, and the same number exactly.

    Args:
        model: A function that builds the model, called in the strategy's scope; or a
            model that was built there.
        loss: A `keras.losses.Loss` that averages, or a function of a model and a
            batch that returns losses and weights, see `mean_loss`.
        optimizer: A function that makes a Keras optimizer, or one that was made in
            the scope. Its clipping and accumulation are taken over by the loop.
        strategy: A `tf.distribute.Strategy`, or a name for `strategy`.
        clip: Largest norm of all gradients together; the optimizer's if `None`.
        accumulate: Batches for one update; the optimizer's if `None`. Schedules
            then count updates.

    Attributes:
        model: The model, in the strategy's scope.
        optimizer: The optimizer, without clipping or accumulation.
        group: The strategy's `Group`.
        state: How far training has come; see `run`.

    Raises:
        RmkerasError: If the model was built outside of the scope.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import tensorflow as tf
    >>> from rmkeras.distribute import TrainingLoop
    >>> def build():
    ...     return keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> x = np.arange(8.0).reshape(8, 1).astype("float32")
    >>> data = tf.data.Dataset.from_tensor_slices((x, 2 * x)).batch(3)
    >>> loop = TrainingLoop(build, keras.losses.MeanSquaredError(),
    ...                     lambda: keras.optimizers.Adam(0.1), strategy="one", clip=1.0)
    >>> history = loop.run(lambda epoch: data, epochs=30)
    >>> history["loss"][-1] < 1 < history["loss"][0]
    True
    """

    def __init__(
        self, model, loss, optimizer, strategy="auto", clip=None, accumulate=None
    ):
        import keras

        from rmkeras.distribute.losses import mean_loss

        if isinstance(strategy, str):
            strategy = named_strategy(strategy)
        self.strategy = strategy
        self.group = Group(strategy)
        with strategy.scope():
            self.model = model if isinstance(model, keras.Model) else model()
            made = (
                optimizer
                if isinstance(optimizer, keras.optimizers.Optimizer)
                else optimizer()
            )
            made, self.clip, batches = without_clipping(made)
            if not self.model.built:
                raise RmkerasError(
                    "the model has no weights yet; give it an Input, or call it once "
                    "in the function that builds it"
                )
            made.build(self.model.trainable_variables)
        self.optimizer = made
        if clip is not None:
            self.clip = {"global_clipnorm": clip}
        self.accumulate = accumulate or batches
        self.loss = mean_loss(loss) if isinstance(loss, keras.losses.Loss) else loss
        self.updates = 0
        self.state = {}
        self._step = None
        self._check_scope()
        self._spread_seeds()

    def _check_scope(self):
        import tensorflow as tf

        for variable in self.model.trainable_variables:
            value = variable.value
            inside = isinstance(value, tf.distribute.DistributedValues)
            if self.group.replicas > 1 and not inside:
                raise RmkerasError(
                    f"{variable.path} was made outside of the strategy's scope, so the "
                    "replicas would not share it; give a function that builds the "
                    "model, or build it under `with strategy.scope():`"
                )

    def _seeds(self):
        return [
            v for v in self.model.variables if v.path.endswith("seed_generator_state")
        ]

    def _spread_seeds(self):
        """Gives each replica dropout numbers of its own."""
        if self.group.replicas == 1 or not self._seeds():
            return
        import tensorflow as tf

        def move():
            context = tf.distribute.get_replica_context()
            away = context.replica_id_in_sync_group * SEED_STRIDE
            for seed in self._seeds():
                first = tf.cast(away, seed.dtype) * tf.constant([0, 1], seed.dtype)
                seed.value.assign(seed.value + first)

        tf.function(lambda: self.strategy.run(move), autograph=False)()

    # State.

    def variables(self):
        """Returns all that training changes, by name."""
        named = {f"model_{i}": v for i, v in enumerate(self.model.variables)}
        named |= {f"optimizer_{i}": v for i, v in enumerate(self.optimizer.variables)}
        return named

    def arrays(self):
        """Returns copies of all that training changes: a dict of NumPy arrays."""
        found = {}
        for name, variable in self.variables().items():
            value = self.strategy.experimental_local_results(variable.value)[0]
            found[name] = np.array(value)
        return found

    def load(self, arrays):
        """Takes back what `arrays` returned.

        Raises:
            RmkerasError: If it is another model's or optimizer's.
        """
        variables = self.variables()
        shapes = {k: tuple(v.shape) for k, v in variables.items()}
        stored = {k: tuple(v.shape) for k, v in arrays.items()}
        if shapes != stored:
            odd = [k for k in shapes | stored if shapes.get(k) != stored.get(k)]
            raise RmkerasError(
                f"the checkpoint is of another model or optimizer: {odd[0]} is "
                f"{stored.get(odd[0])} there and {shapes.get(odd[0])} here; give the "
                "same options as before"
            )
        for name, variable in variables.items():
            variable.assign(arrays[name])
        self._spread_seeds()

    def _restore(self, checkpoints, resume, decides):
        """The chief reads and tells the others: no folder has to be shared."""
        found, problem = None, None
        if self.group.is_chief and not resume:
            if checkpoints is not None and checkpoints.files():
                problem = (
                    f"{checkpoints.folder} already holds checkpoints; go on with "
                    "--resume, or choose another --out"
                )
        elif self.group.is_chief:
            try:
                found = None if checkpoints is None else checkpoints.latest()
                if found is None:
                    where = getattr(checkpoints, "folder", None)
                    problem = (
                        f"nothing to resume: {where} holds no checkpoint; leave out "
                        "--resume to start anew"
                    )
                else:
                    before = found[0].get("decides")
                    check_same_run(checkpoints.folder, before, decides)
                    self.load(found[1])
            except RmkerasError as error:
                problem = str(error)
        numbers = {"problem": problem, **(found[0] if found and not problem else {})}
        numbers, arrays = self.group.broadcast(numbers, self.arrays())
        if numbers.pop("problem"):
            raise RmkerasError(problem or "the chief cannot resume; see its message")
        if self.group.workers > 1 and not self.group.is_chief:
            self.load(arrays)
        return numbers

    # The loop.

    def run(
        self,
        batches,
        epochs,
        checkpoints=None,
        resume=False,
        save_every=60.0,
        on_update=lambda loop, state, loss: None,
        on_epoch=lambda loop, state: None,
        stop=None,
        decides=None,
        numbers=None,
    ):
        """Trains.

        Args:
            batches: A function from the epoch's number to a `tf.data.Dataset` of
                global batches, which depends on nothing but that number and is the
                same on every worker. Each replica takes its rows of each batch.
            epochs: Number of epochs.
            checkpoints: `Checkpoints`, or `None` for none. The chief alone reads and
                writes them.
            resume: Whether to go on from the newest whole one.
            save_every: Seconds between checkpoints within an epoch.
            on_update: Called after each update with the loop, the state (a dict with
                `epoch`, `batch`, `update`, `history`) and the batch's loss.
            on_epoch: Called after each epoch with the loop and the state, before it
                is saved; may add to `state["history"]`, and set `state["enough"]`.
            stop: An object whose `asked` becomes true when training should stop; the
                loop's own, which SIGTERM sets, if `None`. All workers stop after the
                same update.
            decides: A dict of what may not change on the way, for JSON; it is kept
                in the checkpoints and compared when the run goes on.
            numbers: More numbers to keep in the checkpoints, a dict for JSON.

        Returns:
            The history: a dict of lists with a number an epoch, and `seconds`.

        Raises:
            Stopped: After SIGTERM, when everything is saved.
            WorkerLost: If another worker is gone.
            RmkerasError: If there is nothing to resume, or it is another run by what
                `decides` says, or the loss is not finite.
        """
        state = {
            "epoch": 0,
            "batch": 0,
            "update": 0,
            "seconds": 0.0,
            "loss": [0.0, 0.0],
            "history": {},
            "enough": False,
            **(numbers or {}),
        }
        if decides:
            state["decides"] = decides
        state |= self._restore(checkpoints, resume, decides)
        self.state, self.updates = state, state["update"]
        with contextlib.ExitStack() as stack:
            stop = stop if stop is not None else stack.enter_context(Preempted())
            stack.enter_context(_explained(checkpoints))
            self._run(
                state,
                batches,
                epochs,
                checkpoints,
                save_every,
                on_update,
                on_epoch,
                stop,
            )
        return {**state["history"], "seconds": state["seconds"]}

    def _run(
        self, state, batches, epochs, checkpoints, save_every, on_update, on_epoch, stop
    ):
        started = time.monotonic() - state["seconds"]
        saved = time.monotonic()

        def save():
            nonlocal saved
            state["seconds"] = time.monotonic() - started
            if checkpoints is not None and self.group.is_chief:
                checkpoints.save(state["update"], state, self.arrays())
            saved = time.monotonic()

        if not state["update"]:
            save()  # A worker may be lost before the first one is due.
        while state["epoch"] < epochs and not state["enough"]:
            dataset = batches(state["epoch"])
            if self._step is None:
                self._step = self._make_step(dataset.element_spec)
            if state["batch"]:
                dataset = dataset.skip(state["batch"])
            for group in _grouped(dataset, self.accumulate):
                with failures():
                    total, count, flags = self._step(group, float(stop.asked))
                    total, count = float(total), float(count)
                    asked = bool(float(flags) > 0)
                loss = total / max(count, 1e-12)
                self._check_finite(loss, state)
                state["batch"] += len(group)
                state["update"] += 1
                self.updates = state["update"]
                state["loss"] = [state["loss"][0] + total, state["loss"][1] + count]
                on_update(self, state, loss)
                if asked:
                    save()
                    self._say_stopped(state, epochs, checkpoints)
                if time.monotonic() - saved > save_every:
                    save()
            total, count = state["loss"]
            state["history"].setdefault("loss", []).append(total / max(count, 1e-12))
            state |= {"epoch": state["epoch"] + 1, "batch": 0, "loss": [0.0, 0.0]}
            on_epoch(self, state)
            save()
        state["seconds"] = time.monotonic() - started

    def _make_step(self, spec):
        import tensorflow as tf

        def any_size(tensor):
            # Padded to the batch, widths differ; one graph has to do for all.
            shape = [None if i < 2 else n for i, n in enumerate(tensor.shape)]
            return tf.TensorSpec(shape, tensor.dtype)

        if not isinstance(self.strategy, tf.distribute.TPUStrategy):
            spec = tf.nest.map_structure(any_size, spec)
        return Step(
            self.model,
            self.loss,
            self.optimizer,
            self.strategy,
            self.clip,
            self.accumulate,
            spec,
        )

    def _check_finite(self, loss, state):
        # With scaled losses a step that overflows is left out, as it should be.
        if np.isfinite(loss) or hasattr(self.optimizer, "dynamic_scale"):
            return
        raise RmkerasError(
            f"the loss is {loss} at batch {state['batch'] + 1} of epoch "
            f"{state['epoch'] + 1}; the last checkpoint is kept. Try a smaller learning "
            "rate"
        )

    def _say_stopped(self, state, epochs, checkpoints):
        self.group.barrier()
        where = "nothing was saved: there is no folder"
        if checkpoints is not None:
            where = f"everything is saved in {checkpoints.folder}; go on with --resume"
        raise Stopped(
            f"stopped after update {state['update']}, in epoch {state['epoch'] + 1} of "
            f"{epochs}; {where}"
        )


@contextlib.contextmanager
def _explained(checkpoints):
    """Says how to go on when a worker is lost."""
    try:
        yield
    except WorkerLost as error:
        how = "there are no checkpoints; start again"
        if checkpoints is not None:
            how = (
                f"the last checkpoint is in {checkpoints.folder}. Start all workers "
                "again, as many as before or another number, with --resume"
            )
        raise WorkerLost(f"{error}; {how}") from error


def _grouped(dataset, size):
    group = []
    for batch in dataset:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
