"""Several aspects at once: one trunk, a head each, and how much each counts."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

KINDS = ("mse", "huber", "bce")


@keras.saving.register_keras_serializable(package="rmkeras")
class AspectLoss(keras.losses.Loss):
    """Weighted sum of the losses of several aspects, of which any may be unrated.

    loss = Σ_a w_a ℓ(y_a, r_a), over the aspects a that were rated

    A rating of NaN means that nobody rated this aspect of this text. It adds
    nothing to the loss and its gradient is exactly zero.

    Args:
        kind: ℓ: `"mse"`, `"huber"` (½ e² up to |e| = 1, then |e| − ½) or `"bce"`
            (from logits).
        weights: w, one number an aspect; all 1 if `None`. `AdaptiveWeights`
            changes them while training.
        reduction, name, dtype: As in `keras.losses.Loss`.

    Call arguments:
        y_true: `(batch, aspects)`, NaN where unrated.
        y_pred: `(batch, aspects)`.

    Example:

    >>> from keras import ops
    >>> from rmkeras.losses import AspectLoss
    >>> rated = ops.array([[1.0, float("nan")]])
    >>> float(AspectLoss("mse")(rated, ops.array([[3.0, 5.0]])))
    4.0
    """

    def __init__(
        self,
        kind="mse",
        weights=None,
        reduction="sum_over_batch_size",
        name="aspects",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; expected one of {', '.join(KINDS)}")
        self.kind = kind
        self.weights = None if weights is None else [float(w) for w in weights]
        # A variable, so that a compiled step sees a weight that was changed.
        self.current = (
            None
            if weights is None
            else keras.Variable(np.array(self.weights, "float32"), trainable=False)
        )

    def each(self, y_true, y_pred):
        """Returns the unweighted losses, `(batch, aspects)`, 0 where unrated."""
        y = ops.cast(y_true, "float32")
        r = ops.cast(y_pred, "float32")
        rated = ops.logical_not(ops.isnan(y))
        # NaN times 0 is NaN, in gradients too: it must not come in at all.
        y, r = ops.where(rated, y, 0.0), ops.where(rated, r, 0.0)
        if self.kind == "bce":
            loss = ops.relu(r) - y * r + ops.softplus(-ops.abs(r))
        else:
            size = ops.abs(r - y)
            loss = ops.square(size)
            if self.kind == "huber":
                loss = ops.where(size <= 1, 0.5 * loss, size - 0.5)
        return ops.where(rated, loss, 0.0)

    def call(self, y_true, y_pred):
        """Returns the loss of each text, `(batch,)`."""
        losses = self.each(y_true, y_pred)  # (B, A)
        if self.current is not None:
            losses = losses * ops.convert_to_tensor(self.current)
        return ops.sum(losses, axis=-1)

    def get_config(self):
        """Returns what rebuilds the loss."""
        return {**super().get_config(), "kind": self.kind, "weights": self.weights}


@keras.saving.register_keras_serializable(package="rmkeras")
class UncertaintyWeights(keras.layers.Layer):
    """Learns how much each task counts, from how noisy it is.

    loss = Σ_a ½ exp(−s_a) L_a + ½ s_a,  with s_a = log σ_a² learned

    At the optimum σ_a² = L_a: a task that cannot be learned better than its noise
    is weighed down, and the second term keeps σ from growing for ever.

    Args:
        tasks: Number of tasks.

    Call arguments:
        losses: `(tasks,)`: the mean loss of each.
        present: `(tasks,)` of 1 and 0, or `None` for all: a task of which a batch
            holds nothing adds nothing, and its σ stays.

    Returns:
        A scalar, to be minimised together with the model.

    Example:

    >>> from keras import ops
    >>> from rmkeras.losses import UncertaintyWeights
    >>> float(UncertaintyWeights(2)(ops.array([1.0, 3.0])))
    2.0

    Source: Kendall, Gal and Cipolla (2018), "Multi-Task Learning Using Uncertainty
    to Weigh Losses", equation 7.
    """

    def __init__(self, tasks, **kwargs):
        super().__init__(**kwargs)
        self.tasks = tasks
        self.log_variance = self.add_weight(
            shape=(tasks,), initializer="zeros", name="log_variance"
        )
        self.built = True

    def call(self, losses, present=None):
        """Weighs; see the class."""
        s = ops.convert_to_tensor(self.log_variance)
        each = 0.5 * ops.exp(-s) * losses + 0.5 * s
        return ops.sum(each if present is None else each * present)

    def get_config(self):
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "tasks": self.tasks}


def dynamic_weights(losses, before, temperature=2.0):
    """Weights of tasks from how fast their losses fall; see `AdaptiveWeights`.

    Args:
        losses, before: `(tasks,)`: the mean losses of the last epoch and of the one
            before.
        temperature: T; a large one makes the weights equal.

    Returns:
        `(tasks,)` numbers with mean 1.

    Example:

    >>> from rmkeras.losses import dynamic_weights
    >>> dynamic_weights([0.5, 1.0], [1.0, 1.0]).round(2).tolist()
    [0.88, 1.12]
    """
    pace = np.asarray(losses) / np.maximum(before, 1e-12) / temperature
    share = np.exp(pace - pace.max())
    return len(pace) * share / share.sum()


class AdaptiveWeights(keras.callbacks.Callback):
    """Gives more weight to aspects whose loss has stopped falling.

    w_a = A softmax(ρ_a / T)_a,  ρ_a = L_a(t − 1) / L_a(t − 2)

    L_a(t) is the mean loss of aspect a on held-out data after epoch t.

    Args:
        loss: The `AspectLoss` that the model was compiled with, with weights.
        x, y: Held-out inputs and ratings `(n, aspects)`.
        temperature: T; a large one makes the weights equal.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from rmkeras.losses import AdaptiveWeights, AspectLoss
    >>> x, y = np.ones((4, 1)), np.array([[1.0, 0.0]] * 4)
    >>> model = keras.Sequential([keras.layers.Dense(2, kernel_initializer="zeros")])
    >>> loss = AspectLoss("mse", weights=[1.0, 1.0])
    >>> model.compile("sgd", loss, jit_compile=False)
    >>> weigh = AdaptiveWeights(loss, x, y)
    >>> _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[weigh])
    >>> loss.current.numpy().round(1)  # nothing is left to learn of the second
    array([1.2, 0.8], dtype=float32)

    Source: Liu, Johns and Davison (2019), "End-to-End Multi-Task Learning with
    Attention", equation 7 (dynamic weight average).
    """

    def __init__(self, loss, x, y, temperature=2.0):
        super().__init__()
        if loss.current is None:
            raise ValueError("the loss has no weights; give AspectLoss(weights=…)")
        self.loss, self.x, self.y = loss, x, np.asarray(y, "float32")
        self.temperature = temperature
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        """Measures and sets the weights for the next epoch."""
        predicted = self.model.predict(self.x, verbose=0)
        losses = ops.convert_to_numpy(self.loss.each(self.y, predicted))
        rated = np.maximum((~np.isnan(self.y)).sum(axis=0), 1)
        self.seen.append(losses.sum(axis=0) / rated)
        if len(self.seen) < 2:
            return
        self.loss.current.assign(
            dynamic_weights(self.seen[-1], self.seen[-2], self.temperature)
        )
