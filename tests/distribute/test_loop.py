"""The loop on one device: Keras' fit, large batches, stopping and going on."""

import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from rmkeras.distribute import Checkpoints, Stopped, TrainingLoop
from rmkeras.errors import RmkerasError
from rmkeras.models.optimizer import adamw

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4)).astype("float32")
Y = np.sin(X.sum(axis=1, keepdims=True)).astype("float32")


def build(dropout=0.0):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((4,)), keras.layers.Dense(8, activation="tanh")]
    return keras.Sequential(
        [*layers, keras.layers.Dropout(dropout), keras.layers.Dense(1)]
    )


def batches(epoch, size=8):
    order = np.random.default_rng(epoch).permutation(len(X))
    return tf.data.Dataset.from_tensor_slices((X[order], Y[order])).batch(size)


def loop_of(optimizer=lambda: keras.optimizers.AdamW(1e-2), model=build, **options):
    return TrainingLoop(
        model, keras.losses.MeanSquaredError(), optimizer, "one", **options
    )


def equal(a, b, atol):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=atol)


@pytest.mark.parametrize("accumulate", [None, 2])
def test_it_ends_where_fit_ends(accumulate):
    def optimizer():
        schedule = keras.optimizers.schedules.CosineDecay(1e-2, 40)
        return keras.optimizers.AdamW(
            schedule, global_clipnorm=0.1, gradient_accumulation_steps=accumulate
        )

    def even(epoch):  # Keras carries what is left of an epoch into the next.
        return batches(epoch, 5 if accumulate else 8)

    model = build(0.3)
    model.compile(optimizer(), "mse")
    losses = []
    for epoch in range(4):
        model.fit(even(epoch), verbose=0, shuffle=False)
        losses.append(model.history.history["loss"][0])
    loop = loop_of(optimizer, lambda: build(0.3))
    history = loop.run(even, epochs=4)
    equal(model.get_weights(), loop.model.get_weights(), 1e-6)
    np.testing.assert_allclose(losses, history["loss"], atol=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_words_that_repeat_are_clipped_as_fit_clips_them(accumulate):
    # Keras' own optimizers clip an embedding's rows one by one; see `models.optimizer`.
    words = np.random.default_rng(1).integers(1, 5, (40, 6))

    def model():
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Embedding(5, 4), keras.layers.GlobalAveragePooling1D()]
        return keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(1)])

    def data(epoch):
        return tf.data.Dataset.from_tensor_slices((words, Y[:40])).batch(5)

    def optimizer():
        return adamw(1e-2, 24, accumulate, clip=0.05)

    fitted = model()
    fitted.compile(optimizer(), "mse")
    fitted.fit(data(0), epochs=3, verbose=0, shuffle=False)
    loop = loop_of(optimizer, model)
    loop.run(data, epochs=3)
    equal(fitted.get_weights(), loop.model.get_weights(), 1e-6)


def test_accumulated_batches_are_one_large_batch():
    def optimizer():
        schedule = keras.optimizers.schedules.CosineDecay(1e-2, 30)
        return keras.optimizers.AdamW(schedule, use_ema=True, ema_momentum=0.9)

    parts, whole = (
        loop_of(optimizer, accumulate=4, clip=0.1),
        loop_of(optimizer, clip=0.1),
    )
    a = parts.run(lambda epoch: batches(epoch, 4), epochs=5)
    b = whole.run(lambda epoch: batches(epoch, 16), epochs=5)
    # 50 rows are 13 batches of 4: three updates of 16 rows and one of 2.
    assert parts.updates == whole.updates == 20
    for name, value in parts.arrays().items():
        np.testing.assert_allclose(value, whole.arrays()[name], atol=1e-6, err_msg=name)
    np.testing.assert_allclose(a["loss"], b["loss"], atol=1e-6)


def test_half_precision_scales_its_loss_and_clips_what_is_not_scaled():
    def optimizer():
        return keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.1), initial_scale=2.0**20
        )

    def model():
        keras.config.set_dtype_policy("mixed_float16")
        try:
            return build()
        finally:
            keras.config.set_dtype_policy("float32")

    loop = loop_of(optimizer, model, clip=0.1)
    before = [w.copy() for w in loop.model.get_weights()]
    loop.run(batches, epochs=3)
    # The first updates overflow and are left out; the scale falls until they fit.
    assert float(loop.optimizer.dynamic_scale) < 2.0**20
    applied = int(keras.ops.convert_to_numpy(loop.optimizer.iterations))
    assert 0 < applied < 21
    moved = np.sqrt(
        sum(
            ((a - b) ** 2).sum()
            for a, b in zip(before, loop.model.get_weights(), strict=True)
        )
    )
    assert 0 < moved <= applied * 0.1 * 0.1 * 1.01


def stop_after(updates):
    def on_update(loop, state, loss):
        if state["update"] == updates:
            os.kill(os.getpid(), signal.SIGTERM)

    return on_update


@pytest.mark.parametrize("stop", [1, 9])
def test_sigterm_saves_and_a_resumed_run_ends_at_the_same_weights(tmp_path, stop):
    whole = loop_of(model=lambda: build(0.3), accumulate=2)
    history = whole.run(batches, epochs=4)
    kept = Checkpoints(tmp_path)
    with pytest.raises(Stopped, match="everything is saved") as stopped:
        loop_of(model=lambda: build(0.3), accumulate=2).run(
            batches, epochs=4, checkpoints=kept, on_update=stop_after(stop)
        )
    assert stopped.value.exit_code == 0
    with pytest.raises(RmkerasError, match="already holds"):
        loop_of(accumulate=2).run(batches, epochs=4, checkpoints=kept)
    again = loop_of(model=lambda: build(0.3), accumulate=2)
    resumed = again.run(batches, epochs=4, checkpoints=kept, resume=True)
    for name, value in whole.arrays().items():
        np.testing.assert_array_equal(value, again.arrays()[name], err_msg=name)
    assert history["loss"] == resumed["loss"]


def test_what_cannot_be_gone_on_with_is_named(tmp_path):
    with pytest.raises(RmkerasError, match="nothing to resume"):
        loop_of().run(batches, 1, Checkpoints(tmp_path / "none"), resume=True)
    kept = Checkpoints(tmp_path)
    loop_of().run(batches, 1, kept)
    with pytest.raises(RmkerasError, match="another model or optimizer"):
        loop_of(keras.optimizers.SGD).run(batches, 2, kept, resume=True)

    def bad(epoch):
        return tf.data.Dataset.from_tensors((X, Y * np.nan))

    with pytest.raises(RmkerasError, match="the loss is nan"):
        loop_of().run(bad, 1)
