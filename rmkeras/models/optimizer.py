"""The optimisers that all training recipes share."""

from __future__ import annotations

import math

import keras
from keras import ops

from rmkeras.distribute.guard import check_optimizer


@keras.saving.register_keras_serializable(package="rmkeras")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise to the peak, then half a cosine down to zero.

    rate(t) = peak · min(t / warm, ½ (1 + cos(π (t − warm) / (steps − warm))))

    Step 0 has rate 0 then. With `warm` 0 there is no rise, and the peak comes first:
    a training of a few steps would lose one of them otherwise, or all.

    Equal to Keras' `CosineDecay` with `warmup_target`, but without a branch: Keras'
    optimisers ask for the rate once for every weight, and each branch makes the
    first step wait.

    Args:
        peak: The highest rate.
        steps: Where it has fallen to zero.
        warm: Number of steps in which it rises; may be 0.

    Example:

    >>> from rmkeras.models.optimizer import WarmupCosine
    >>> schedule = WarmupCosine(1.0, steps=10, warm=2)
    >>> [round(float(schedule(t)), 3) for t in (0, 1, 2, 6, 10)]
    [0.0, 0.5, 1.0, 0.5, 0.0]

    Source: Loshchilov and Hutter (2017), "SGDR", equation 5.
    """

    def __init__(self, peak, steps, warm=1):
        self.peak, self.steps, self.warm = peak, steps, warm

    def __call__(self, step):
        """Returns the rate at a step."""
        step = ops.cast(step, "float32")
        way = ops.clip((step - self.warm) / max(1, self.steps - self.warm), 0.0, 1.0)
        fall = 0.5 * (1 + ops.cos(math.pi * way))
        if not self.warm:
            return self.peak * fall
        return self.peak * ops.minimum(step / self.warm, fall)

    def get_config(self):
        """Returns what rebuilds the schedule."""
        return {"peak": self.peak, "steps": self.steps, "warm": self.warm}


class _OnePass:
    """What `Adam` and `AdamW` do otherwise than Keras' classes of these names.

    Keras writes an update as nine operations a weight. TensorFlow has all of it in
    one, which is quicker to run and much quicker to build a graph of. Other
    backends, AMSGrad and weights on several devices take Keras' way.

    And Keras clips an embedding's gradient before its rows are added up. A word that
    occurs twice has two rows there, and |a|² + |b|² is not |a + b|²: the norm is
    another than that of the gradient. Here the rows are added up first.
    """

    def apply(self, grads, trainable_variables=None):
        """Updates the weights; refuses what Keras would do wrongly on replicas.

        Args:
            grads: A gradient for each weight, in order.
            trainable_variables: The weights; `None` for those of the last call.
        """
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            check_optimizer(self, tf.distribute.get_strategy().num_replicas_in_sync)
            grads = [
                tf.convert_to_tensor(grad)
                if isinstance(grad, tf.IndexedSlices)
                else grad
                for grad in grads
            ]
        return super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        """Moves one weight along its gradient."""
        if not self._fits(variable):
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        dtype = variable.dtype
        step = ops.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=ops.power(ops.cast(self.beta_1, dtype), step),
            beta2_power=ops.power(ops.cast(self.beta_2, dtype), step),
            lr=ops.cast(learning_rate, dtype),
            beta1=ops.cast(self.beta_1, dtype),
            beta2=ops.cast(self.beta_2, dtype),
            epsilon=ops.cast(self.epsilon, dtype),
            grad=ops.cast(gradient, dtype),
        )

    def _fits(self, variable):
        if self.amsgrad or keras.backend.backend() != "tensorflow":
            return False
        import tensorflow as tf

        return (
            tf.distribute.get_strategy().num_replicas_in_sync == 1
            and not isinstance(variable, tf.distribute.DistributedValues)
            and hasattr(variable, "handle")
        )


@keras.saving.register_keras_serializable(package="rmkeras")
class Adam(_OnePass, keras.optimizers.Adam):
    """`keras.optimizers.Adam` in one pass over memory, clipping by the true norm.

    Where a word occurs twice in a batch, Keras clips by the norm of the two rows of
    its gradient and not by that of their sum. This class adds them up first.

    Example:

    >>> import keras
    >>> import tensorflow as tf
    >>> from rmkeras.models.optimizer import Adam
    >>> table = keras.Variable([[0.0], [0.0]])
    >>> rows = tf.IndexedSlices(
    ...     tf.constant([[3.0], [4.0]]), tf.constant([0, 0]), tf.constant([2, 1])
    ... )  # one word, twice; the norm of its gradient is 7
    >>> optimizer = Adam(global_clipnorm=1.0, beta_1=0.0)
    >>> optimizer.apply([rows], [table])
    >>> optimizer.variables[2].numpy().ravel().tolist()  # what was left: 7 / 7
    [1.0, 0.0]

    Source: Kingma and Ba (2015), algorithm 1, in the form at the end of section 2;
    Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent
    neural networks", section 3.2, on clipping.
    """

    def __init__(self, *args, name="adam", **kwargs):
        super().__init__(*args, name=name, **kwargs)


@keras.saving.register_keras_serializable(package="rmkeras")
class AdamW(_OnePass, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` in one pass over memory, clipping by the true norm.

    Where a word occurs twice in a batch, Keras clips by the norm of the two rows of
    its gradient and not by that of their sum. This class adds them up first.

    Example:

    >>> from rmkeras.models.optimizer import AdamW
    >>> AdamW(1e-3, weight_decay=0.01).name
    'adam_w'

    Source: Kingma and Ba (2015), algorithm 1, in the form at the end of section 2;
    Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization".
    """

    def __init__(self, *args, name="adam_w", **kwargs):
        super().__init__(*args, name=name, **kwargs)


def adamw(
    learning_rate,
    steps,
    accumulate=1,
    warmup=0.05,
    clip=1.0,
    weight_decay=0.004,
):
    """AdamW with linear warm-up, cosine decay to zero and clipping by global norm.

    Args:
        learning_rate: Its peak.
        steps: Number of batches that the schedule spans.
        accumulate: Batches whose gradients are averaged for one update. Clipping
            acts on the average. Keras' schedules count batches, not updates; so
            does `steps`, and the schedule stays what it says.
        warmup: Share of the steps in which the rate rises, rounded down: a training
            of fewer than 20 begins at the peak.
        clip: Largest norm of all gradients together; `None` for no limit.
        weight_decay: How much weights shrink a step, times the learning rate.

    Returns:
        An `AdamW`.

    Example:

    >>> from rmkeras.models.optimizer import adamw
    >>> float(adamw(1e-3, steps=100).learning_rate)
    0.0

    Source: Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization".
    """
    return AdamW(
        WarmupCosine(learning_rate, max(2, steps), int(steps * warmup)),
        weight_decay=weight_decay,
        global_clipnorm=clip,
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
    )
