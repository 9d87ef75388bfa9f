"""The replicas of a strategy as a group: who am I, and sums over all of them."""

from __future__ import annotations

import json

import numpy as np

from rmkeras.distribute.strategies import cluster_of
from rmkeras.errors import RmkerasError


class WorkerLost(RmkerasError):
    """Another worker is gone; what was saved can be gone on with.

    Example:

    >>> import tensorflow as tf
    >>> from rmkeras.distribute.group import failures
    >>> with failures():
    ...     raise tf.errors.UnavailableError(None, None, "Socket closed")
    Traceback (most recent call last):
    rmkeras.distribute.group.WorkerLost: another worker is gone (Socket closed)
    """

    exit_code = 75


def all_reduce(context, values):
    """Adds up tensors over replicas, those of one type in one collective.

    Args:
        context: The replica's context.
        values: A list of tensors.

    Returns:
        The sums, a list.
    """
    found = [None] * len(values)
    kinds = {}
    for i, value in enumerate(values):
        kinds.setdefault(value.dtype, []).append(i)
    for places in kinds.values():
        sums = context.all_reduce("SUM", [values[i] for i in places])
        for i, value in zip(places, sums, strict=True):
            found[i] = value
    return found


class Group:
    """What replicas of a strategy have to say to each other.

    Args:
        strategy: A `tf.distribute.Strategy`.

    Attributes:
        replicas: Devices that train together, over all workers.
        workers: Processes.
        worker: This one's number.

    Example:

    >>> from rmkeras.distribute import Group, strategy
    >>> group = Group(strategy("one"))
    >>> group.replicas, group.is_chief, float(group.sum([1.0])[0])
    (1, True, 1.0)
    """

    def __init__(self, strategy):
        import tensorflow as tf

        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync
        self.workers, self.worker = 1, 0
        self._add = None
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            addresses, self.worker = cluster_of()
            self.workers = len(addresses)

    @property
    def is_chief(self):
        """Whether this process writes and speaks for all."""
        return self.worker == 0

    def sum(self, arrays):
        """Adds up arrays over the workers.

        Args:
            arrays: A list of NumPy arrays, of the same shapes on all workers.

        Returns:
            The sums, a list of NumPy arrays.
        """
        arrays = [np.asarray(a) for a in arrays]
        if self.workers == 1:
            return arrays
        import tensorflow as tf

        # What the collectives cannot add is added as what they can.
        odd = (np.bool_, np.uint8)
        sent = [a.astype("int32") if a.dtype in odd else a for a in arrays]
        if self._add is None:
            self._add = tf.function(self._add_all, autograph=False)
        with failures():
            found = self._add([tf.constant(a) for a in sent])
            found = [self.strategy.experimental_local_results(x)[0] for x in found]
            return [
                x.numpy().astype(a.dtype) for x, a in zip(found, arrays, strict=True)
            ]

    def _add_all(self, values):
        return self.strategy.run(self._add_one, (values,))

    def _add_one(self, values):
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        local = self.replicas // self.workers
        # Of the devices of a worker, one speaks.
        first = tf.equal(context.replica_id_in_sync_group % local, 0)
        values = [tf.where(first, v, tf.zeros_like(v)) for v in values]
        return all_reduce(context, values)

    def broadcast(self, value, arrays=None):
        """Gives every worker what the chief has.

        Args:
            value: What can be written as JSON; the chief's counts.
            arrays: A dict of NumPy arrays. All workers need the same keys, shapes
                and types; the chief's values count.

        Returns:
            The chief's value, and its arrays.
        """
        arrays = dict(arrays or {})
        if self.workers == 1:
            return value, arrays
        text = np.frombuffer(json.dumps(value).encode("utf8"), np.uint8)
        if not self.is_chief:
            text, arrays = text[:0], {k: np.zeros_like(v) for k, v in arrays.items()}
        (length,) = self.sum([np.array([len(text)], "int32")])
        padded = np.zeros(int(length[0]), np.uint8)
        padded[: len(text)] = text
        padded, *found = self.sum([padded, *arrays.values()])
        value = json.loads(padded.tobytes().decode("utf8"))
        return value, dict(zip(arrays, found, strict=True))

    def barrier(self):
        """Waits until every worker has come here."""
        self.sum([np.ones(1, "float32")])


class failures:
    """Turns TensorFlow's errors about a lost worker into `WorkerLost`."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            return False
        import tensorflow as tf

        lost = (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.DeadlineExceededError,
        )
        text = str(error)
        gone = isinstance(error, lost) or (
            isinstance(error, tf.errors.OpError)
            and any(w in text for w in ("ollective", "RecvBuf", "peer", "heartbeat"))
        )
        if gone:
            told = [
                x for x in text.splitlines() if "eartbeat" in x or "navailable" in x
            ]
            told = (told or text.splitlines())[0][:160]
            raise WorkerLost(f"another worker is gone ({told})") from error
        return False
