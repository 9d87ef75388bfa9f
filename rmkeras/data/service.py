"""Batches made by other processes: the tf.data service."""

from __future__ import annotations

from rmkeras.errors import RmkerasError

PROTOCOL = "grpc"


def through_service(batches, address, in_order=True):
    """Lets tf.data workers make the batches.

    Args:
        batches: A function from the epoch's number to a `tf.data.Dataset` of known
            length that any process can make: no Python generators.
        address: The dispatcher's, `HOST:PORT` or `grpc://HOST:PORT`.
        in_order: Whether every batch comes once and in order, so that a stopped run
            can be gone on with exactly; the dispatcher has to have one worker then,
            because each worker sends all batches. If false, any number of workers
            share the batches: each comes once, in no fixed order.

    Returns:
        A function like `batches`.

    Raises:
        RmkerasError: If the dispatcher cannot be reached.

    Example:

    >>> import tensorflow as tf
    >>> from rmkeras.data.service import through_service
    >>> service = tf.data.experimental.service
    >>> dispatcher = service.DispatchServer()
    >>> worker = service.WorkerServer(service.WorkerConfig(
    ...     dispatcher_address=dispatcher.target.split("://")[1]))
    >>> made = through_service(lambda epoch: tf.data.Dataset.range(3), dispatcher.target)
    >>> [int(x) for x in made(0)]
    [0, 1, 2]

    Source: Audibert et al. (2023), "tf.data service: A Case for Disaggregating ML Input
    Data Processing".
    """
    import tensorflow as tf

    target = address if "://" in address else f"{PROTOCOL}://{address}"
    policy = tf.data.experimental.service.ShardingPolicy
    mode = policy.OFF if in_order else policy.DYNAMIC

    def made(epoch):
        dataset = batches(epoch)
        count = int(dataset.cardinality())
        try:
            there = dataset.apply(tf.data.experimental.service.distribute(mode, target))
        except tf.errors.OpError as error:
            raise RmkerasError(
                f"--data-service {address}: {str(error).splitlines()[0][:160]}; expected "
                "the HOST:PORT of a running tf.data dispatcher"
            ) from error
        return there.apply(tf.data.experimental.assert_cardinality(count))

    return made
