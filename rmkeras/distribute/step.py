"""One update on all replicas: shares of rows, sums, one clipped step."""

from __future__ import annotations

from rmkeras.distribute.group import all_reduce
from rmkeras.errors import RmkerasError


class Step:
    """Gradients of a loss over the global batch, whoever computes which part of it.

    g = Σ_r Σ_{i∈r} w_i ∇ℓ_i / Σ_r Σ_{i∈r} w_i, then clipping, then one step.

    Replica r takes rows r·s … (r+1)·s − 1 of each batch, s = ⌈rows / replicas⌉. Rows
    that are missing at the end are filled up with the last one, at weight 0. So the
    sums are those of one device for any number of rows and replicas.

    With accumulation, sums of several batches are kept apart on each replica and
    meet in one all-reduce: k batches are exactly one batch of k times the rows, and
    whatever counts steps (schedules, moving averages, Adam's bias correction) counts
    updates.

    Args:
        model: A built model.
        loss: From a model and a batch to losses and weights, see `mean_loss`.
        optimizer: A Keras optimizer, without clipping or accumulation of its own.
        strategy: The strategy whose scope both were built in.
        clip: A dict with `global_clipnorm`, `clipnorm` or `clipvalue`, or empty.
        accumulate: Batches for an update.
        spec: The batches' `tf.TensorSpec`s.
    """

    def __init__(self, model, loss, optimizer, strategy, clip, accumulate, spec):
        import tensorflow as tf

        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync
        self.clip = {k: v for k, v in clip.items() if v is not None}
        self.variables = list(model.trainable_variables)
        self.sums = None
        flag = tf.TensorSpec((), tf.float32)
        if accumulate > 1:
            self.sums = self._accumulators(tf)
            self._add = tf.function(
                self._add_all, input_signature=[spec], autograph=False
            )
            self._finish = tf.function(
                self._finish_all, input_signature=[flag], autograph=False
            )
        else:
            self._whole = tf.function(
                self._whole_all, input_signature=[spec, flag], autograph=False
            )

    def traces(self):
        """Returns how often each graph was built; 1 is what it should be."""
        functions = [self._whole] if self.sums is None else [self._add, self._finish]
        return [f.experimental_get_tracing_count() for f in functions]

    def __call__(self, batches, flag=0.0):
        """Makes one update.

        Args:
            batches: As many batches as are accumulated, or fewer at the end of an
                epoch.
            flag: A number that is added up over the replicas.

        Returns:
            Scalars: the summed loss, the sum of its weights, and the flags' sum, all
            over the whole batch.
        """
        import tensorflow as tf

        flag = tf.constant(flag, tf.float32)
        if self.sums is None:
            return self._local(self._whole(batches[0], flag))
        for batch in batches:
            self._add(batch)
        return self._local(self._finish(flag))

    def _local(self, found):
        return [self.strategy.experimental_local_results(x)[0] for x in found]

    def _accumulators(self, tf):
        kind = {
            "trainable": False,
            "synchronization": tf.VariableSynchronization.ON_READ,
            "aggregation": tf.VariableAggregation.SUM,
        }
        with self.strategy.scope():
            zeros = [
                tf.Variable(tf.zeros(v.shape, v.dtype), **kind) for v in self.variables
            ]
            return [*zeros, *(tf.Variable(0.0, **kind) for _ in range(2))]

    # What runs on each replica.

    def _share(self, batch):
        """This replica's rows of the batch, and their weights."""
        import tensorflow as tf

        first = tf.nest.flatten(batch)[0]
        rows = tf.shape(first)[0] if first.shape[0] is None else first.shape[0]
        if self.replicas == 1:
            return batch, None
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        share = (rows + self.replicas - 1) // self.replicas
        index = replica * share + tf.range(share)
        real = tf.cast(index < rows, tf.float32)
        index = tf.minimum(index, rows - 1)
        return tf.nest.map_structure(lambda x: tf.gather(x, index), batch), real

    def _gradients(self, batch):
        """Unnormalised sums: gradients, loss and weights of this replica's rows."""
        import tensorflow as tf

        batch, real = self._share(batch)
        scale = getattr(self.optimizer, "scale_loss", None)
        with tf.GradientTape() as tape:
            values, weights = self.loss(self.model, batch)
            values = tf.cast(values, tf.float32)
            weights = tf.stop_gradient(tf.cast(weights, tf.float32))
            if real is not None:
                shape = [-1] + [1] * (values.shape.rank - 1)
                weights *= tf.reshape(real, shape)
                # A filled-up row may be anything; 0 · NaN would be NaN.
                values = tf.where(weights > 0, values, 0.0)
            total, count = tf.reduce_sum(values * weights), tf.reduce_sum(weights)
            for penalty in self.model.losses:
                total += count * tf.cast(tf.reduce_sum(penalty), tf.float32)
            scaled = total if scale is None else scale(total)
        gradients = tape.gradient(scaled, self.variables)
        for i, (g, v) in enumerate(zip(gradients, self.variables, strict=True)):
            # As a list of rows, an embedding's gradient would have another norm.
            gradients[i] = (
                tf.zeros(v.shape, v.dtype) if g is None else tf.convert_to_tensor(g)
            )
        return gradients, total, count

    def _apply(self, gradients, total, count, flag):
        import tensorflow as tf

        if self.replicas > 1:
            context = tf.distribute.get_replica_context()
            *gradients, total, count, flag = all_reduce(
                context, [*gradients, total, count, tf.identity(flag)]
            )
        divisor = tf.maximum(count, 1e-12)
        gradients = [g / tf.cast(divisor, g.dtype) for g in gradients]
        gradients = self._clipped(gradients)
        # The optimizer adds up over replicas once more: of equal parts, the same.
        if self.replicas > 1:
            gradients = [g / self.replicas for g in gradients]
        self.optimizer.apply(gradients, self.variables)
        return total, count, flag

    def _clipped(self, gradients):
        import tensorflow as tf

        # Scaled for float16, gradients are compared with as much larger a limit.
        factor = 1.0
        if hasattr(self.optimizer, "dynamic_scale"):
            factor = tf.convert_to_tensor(self.optimizer.dynamic_scale)
        if (limit := self.clip.get("clipvalue")) is not None:
            limit = limit * factor
            gradients = [tf.clip_by_value(g, -limit, limit) for g in gradients]
        if (limit := self.clip.get("clipnorm")) is not None:
            gradients = [tf.clip_by_norm(g, limit * factor) for g in gradients]
        if (limit := self.clip.get("global_clipnorm")) is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, limit * factor)
        return gradients

    def _whole_one(self, batch, flag):
        return self._apply(*self._gradients(batch), flag)

    def _add_one(self, batch):
        gradients, total, count = self._gradients(batch)
        for kept, value in zip(self.sums, [*gradients, total, count], strict=True):
            kept.assign_add(value)

    def _finish_one(self, flag):
        import tensorflow as tf

        *gradients, total, count = [tf.identity(v) for v in self.sums]
        found = self._apply(gradients, total, count, flag)
        for kept in self.sums:
            kept.assign(kept * 0)
        return found

    # What strategies run.

    def _whole_all(self, batch, flag):
        return self.strategy.run(self._whole_one, (batch, flag))

    def _add_all(self, batch):
        self.strategy.run(self._add_one, (batch,))

    def _finish_all(self, flag):
        return self.strategy.run(self._finish_one, (flag,))


CLIPS = ("global_clipnorm", "clipnorm", "clipvalue")


def without_clipping(optimizer):
    """Takes clipping and accumulation out of an optimizer, for the loop to do them.

    Args:
        optimizer: A Keras optimizer that was not built, or any to copy.

    Returns:
        A new optimizer; a dict of what was clipped; and the number of batches that
        were accumulated. A schedule that counted batches is made to count updates:
        rate(u) = schedule(u · k + k − 1), what Keras' accumulation asks for.
    """
    import keras

    config = optimizer.get_config()
    if "inner_optimizer" in config:
        inner, clip, batches = without_clipping(optimizer.inner_optimizer)
        del config["inner_optimizer"]
        return type(optimizer)(inner, **config), clip, batches
    clip = {name: config.pop(name, None) for name in CLIPS}
    batches = config.pop("gradient_accumulation_steps", None) or 1
    made = type(optimizer).from_config(config)
    schedule = getattr(optimizer, "_learning_rate", None)
    if batches > 1 and isinstance(
        schedule, keras.optimizers.schedules.LearningRateSchedule
    ):
        made.learning_rate = every(schedule, batches)
    return made, clip, batches


def every(schedule, batches):
    """A schedule of updates from one of batches; see `without_clipping`."""
    import keras

    class Every(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return schedule(step * batches + (batches - 1))

        def get_config(self):
            raise RmkerasError("this schedule is for the loop alone, not to be saved")

    return Every()
