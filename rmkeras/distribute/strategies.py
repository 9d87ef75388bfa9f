"""Which devices train together: a `tf.distribute` strategy by name."""

from __future__ import annotations

import functools
import json
import os

from rmkeras.errors import RmkerasError

STRATEGIES = ("auto", "one", "mirrored", "multi-worker", "tpu")


def cluster_of(text=None):
    """Reads `TF_CONFIG`, which tells each worker who the others are.

    Args:
        text: JSON; the environment variable `TF_CONFIG` if `None`.

    Returns:
        The workers' addresses and this one's number; `([], 0)` if there is no
        `TF_CONFIG`.

    Raises:
        RmkerasError: If it is not what TensorFlow documents.

    Example:

    >>> from rmkeras.distribute import cluster_of
    >>> cluster_of('{"cluster": {"worker": ["a:1", "b:1"]}, '
    ...            '"task": {"type": "worker", "index": 1}}')
    (['a:1', 'b:1'], 1)
    """
    text = os.environ.get("TF_CONFIG", "") if text is None else text
    if not text.strip():
        return [], 0
    expected = (
        'expected {"cluster": {"worker": ["HOST:PORT", …]}, "task": {"type": "worker", '
        '"index": N}}, as `rmkeras launch` sets it'
    )
    try:
        config = json.loads(text)
        workers = list(config["cluster"]["worker"])
        task = config["task"]
        kind, index = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise RmkerasError(
            f"TF_CONFIG cannot be read ({type(error).__name__}: {error}); {expected}"
        ) from error
    if kind != "worker" or set(config["cluster"]) != {"worker"}:
        raise RmkerasError(
            f"TF_CONFIG names a task of type {kind!r} in a cluster of "
            f"{', '.join(config['cluster'])}; workers alone are supported: {expected}"
        )
    if not 0 <= index < len(workers):
        raise RmkerasError(
            f"TF_CONFIG says that this is worker {index} of {len(workers)}; {expected}"
        )
    return workers, index


def strategy(name="auto"):
    """Returns a `tf.distribute` strategy.

    - `"one"`: no distribution; one device.
    - `"mirrored"`: a copy of the model on each GPU of this machine, or on each
      logical CPU device if there is no GPU. `"mirrored:N"` makes N logical CPU
      devices, to try it; before anything has run on TensorFlow.
    - `"multi-worker"`: a copy on each device of each machine in `TF_CONFIG`. It has
      to be made before anything has run on TensorFlow.
    - `"tpu"`: the TPU that TensorFlow finds.
    - `"auto"`: workers if `TF_CONFIG` names two or more, else a TPU if `TPU_NAME` is
      set, else mirrored if there are two or more GPUs, else one.

    What is not here does not work with Keras 3 on TensorFlow: `keras.distribution`
    accepts everything and does nothing, `ParameterServerStrategy` and
    `CentralStorageStrategy` fail or bring nothing.

    Args:
        name: See above.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        RmkerasError: If there is no such strategy, or not what it needs.

    Example:

    >>> from rmkeras.distribute import strategy
    >>> strategy("one").num_replicas_in_sync
    1
    """
    kind, _, count = name.partition(":")
    if kind not in STRATEGIES or (count and not (kind == "mirrored")):
        raise RmkerasError(
            f"no strategy {name!r}; expected {', '.join(STRATEGIES)} or mirrored:N"
        )
    import tensorflow as tf

    kind = resolved(kind)
    if kind == "one":
        return tf.distribute.get_strategy()
    if kind == "mirrored":
        return _mirrored(tf, count)
    if kind == "multi-worker":
        return _multi_worker(json.dumps(cluster_of()))
    return _tpu(tf)


def resolved(kind):
    """Returns what `"auto"` means here; any other name as it is.

    Args:
        kind: A strategy's name.

    Returns:
        Its name, not `"auto"`.
    """
    if kind != "auto":
        return kind
    workers, _ = cluster_of()
    if len(workers) > 1:
        return "multi-worker"
    if os.environ.get("TPU_NAME"):
        return "tpu"
    import tensorflow as tf

    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "one"


def _mirrored(tf, count):
    if count:
        if not count.isdigit() or int(count) < 1:
            raise RmkerasError(f"mirrored:{count}: expected a number of devices")
        split_cpu(int(count))
    devices = tf.config.list_logical_devices("GPU")
    if len(devices) < 2:
        devices = tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise RmkerasError(
            "mirrored needs two or more devices and TensorFlow sees one; take "
            "--strategy one, or mirrored:2 to try it on two logical CPU devices"
        )
    return tf.distribute.MirroredStrategy([d.name for d in devices])


def split_cpu(count):
    """Makes logical devices of the processor, so that strategies can be tried.

    Args:
        count: How many.

    Raises:
        RmkerasError: If TensorFlow has run something already.
    """
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    try:
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) != count:
            raise RmkerasError(
                f"{count} logical devices have to be made before TensorFlow runs "
                "anything; make the strategy first"
            ) from error


@functools.cache
def _multi_worker(cluster):
    workers, _ = json.loads(cluster)
    if len(workers) < 2:
        raise RmkerasError(
            "multi-worker needs TF_CONFIG with two or more workers; try it on this "
            "machine with: rmkeras launch --workers 2 -- COMMAND"
        )
    import tensorflow as tf

    options = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation.AUTO
    )
    from rmkeras.distribute.group import failures

    try:
        with failures():
            return tf.distribute.MultiWorkerMirroredStrategy(
                communication_options=options
            )
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise RmkerasError(
            "the multi-worker strategy has to be made before TensorFlow runs anything; "
            "make it first"
        ) from error


def _tpu(tf):
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except Exception as error:
        raise RmkerasError(
            f"no TPU: {str(error).splitlines()[0]}; set TPU_NAME, or take another "
            "strategy"
        ) from error
