"""Where Keras would train something else, silently: say so instead."""

from __future__ import annotations

from rmkeras.errors import RmkerasError

INSTEAD = "use rmkeras.distribute.TrainingLoop, which does it exactly"


def check_optimizer(optimizer, replicas):
    """Refuses clipping and accumulation inside an optimizer on several replicas.

    Keras clips each replica's gradient before they are added up, so that the limit is
    another one than asked for; and its accumulation fails there.

    Args:
        optimizer: A Keras optimizer.
        replicas: How many replicas train together.

    Raises:
        RmkerasError: If it would be wrong.

    Example:

    >>> import keras
    >>> from rmkeras.distribute import check_optimizer
    >>> check_optimizer(keras.optimizers.Adam(global_clipnorm=1.0), replicas=1)
    """
    if replicas == 1:
        return
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    for name in ("global_clipnorm", "clipnorm", "clipvalue"):
        if getattr(inner, name, None) is not None:
            raise RmkerasError(
                f"{name}={getattr(inner, name)} on {replicas} replicas: Keras would clip "
                "each replica's part of the gradient before adding them up, which is "
                f"another step than asked for; {INSTEAD}"
            )
    if getattr(inner, "gradient_accumulation_steps", None):
        raise RmkerasError(
            f"gradient_accumulation_steps on {replicas} replicas: Keras' accumulation "
            f"fails there; {INSTEAD}"
        )


def check_fit(model, strategy=None):
    """Refuses `model.fit` where it would be silently wrong, or could not run.

    Args:
        model: A compiled Keras model.
        strategy: Its `tf.distribute.Strategy`; the one in scope if `None`.

    Raises:
        RmkerasError: On several workers; with clipping or accumulation on several
            replicas; with a `compute_loss` of its own on several replicas, whose
            mean would be counted once for each replica; and if
            `keras.distribution` is set, which TensorFlow ignores.

    Example:

    >>> import keras
    >>> from rmkeras.distribute import check_fit
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.Adam(clipnorm=1.0), "mse")
    >>> check_fit(model)  # one device: all is well
    """
    import keras
    import tensorflow as tf

    if keras.distribution.distribution() is not None:
        raise RmkerasError(
            "keras.distribution is set, and does nothing on TensorFlow: the model "
            f"would train on one device; {INSTEAD}"
        )
    strategy = strategy or tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise RmkerasError(
            "model.fit cannot run on several workers with Keras 3 (it stops in its own "
            f"reduction of the metrics); {INSTEAD}"
        )
    check_optimizer(model.optimizer, replicas)
    if replicas > 1 and type(model).compute_loss is not keras.Model.compute_loss:
        raise RmkerasError(
            f"{type(model).__name__} has a compute_loss of its own on {replicas} "
            "replicas: a mean taken there is added up over the replicas, and loss and "
            f"gradient grow {replicas} times; {INSTEAD}"
        )
