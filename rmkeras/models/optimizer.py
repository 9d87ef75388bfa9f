"""The optimiser that all training recipes share."""

from __future__ import annotations

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="rmkeras")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise to the peak, then half a cosine down to zero.

    rate(t) = peak · min(t / warm, ½ (1 + cos(π (t − warm) / (steps − warm))))

    Equal to Keras' `CosineDecay` with `warmup_target`, but without a branch: Keras'
    optimisers ask for the rate once for every weight, and each branch makes the
    first step wait.

    Args:
        peak: The highest rate.
        steps: Where it has fallen to zero.
        warm: Number of steps in which it rises.

    Example:

    >>> from rmkeras.models.optimizer import WarmupCosine
    >>> schedule = WarmupCosine(1.0, steps=10, warm=2)
    >>> [round(float(schedule(t)), 3) for t in (0, 1, 2, 6, 10)]
    [0.0, 0.5, 1.0, 0.5, 0.0]

    Source: Loshchilov and Hutter (2017), "SGDR", equation 5.
    """

    def __init__(self, peak, steps, warm=1):
        self.peak, self.steps, self.warm = peak, steps, max(1, warm)

    def __call__(self, step):
        """Returns the rate at a step."""
        step = ops.cast(step, "float32")
        rise = step / self.warm
        way = ops.clip((step - self.warm) / max(1, self.steps - self.warm), 0.0, 1.0)
        return self.peak * ops.minimum(rise, 0.5 * (1 + ops.cos(math.pi * way)))

    def get_config(self):
        """Returns what rebuilds the schedule."""
        return {"peak": self.peak, "steps": self.steps, "warm": self.warm}


@keras.saving.register_keras_serializable(package="rmkeras")
class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` whose update is one pass over memory.

    Keras writes the update as nine operations a weight. TensorFlow has all of it
    in one, which is quicker to run and much quicker to build a graph of. Other
    backends, AMSGrad and weights on several devices take Keras' way.

    Example:

    >>> from rmkeras.models.optimizer import AdamW
    >>> AdamW(1e-3, weight_decay=0.01).name
    'adam_w'

    Source: Kingma and Ba (2015), algorithm 1, in the form at the end of section 2;
    Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization".
    """

    def __init__(self, *args, name="adam_w", **kwargs):
        super().__init__(*args, name=name, **kwargs)

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
            grad=tf.convert_to_tensor(ops.cast(gradient, dtype)),
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
        warmup: Share of the steps in which the rate rises.
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
