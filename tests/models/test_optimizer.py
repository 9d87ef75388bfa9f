"""The shared optimiser against Keras' own."""

import keras
import numpy as np
import pytest

from rmkeras.models.language_model import compile_language_model
from rmkeras.models.optimizer import Adam, AdamW, WarmupCosine, adamw


@pytest.mark.parametrize(("steps", "warm"), [(10, 2), (100, 5), (3, 1)])
def test_the_schedule_is_that_of_keras(steps, warm):
    ours = WarmupCosine(1e-3, steps, warm)
    keras_schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm, warmup_target=1e-3, warmup_steps=warm
    )
    for t in range(steps + 3):
        assert float(ours(t)) == pytest.approx(float(keras_schedule(t)), abs=1e-9)


def test_a_schedule_too_short_for_a_rise_begins_at_its_peak():
    schedule = WarmupCosine(1e-3, steps=4, warm=0)
    found = [float(schedule(t)) for t in range(5)]
    expected = [5e-4 * (1 + np.cos(np.pi * t / 4)) for t in range(5)]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert WarmupCosine(**schedule.get_config())(0) == schedule(0)
    # Both recipes: 5 % of fewer than 20 steps is less than one.
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    for steps, rate in ((1, 1e-3), (19, 1e-3), (20, 0.0)):
        assert float(adamw(1e-3, steps).learning_rate) == pytest.approx(rate)
        compile_language_model(model, steps, 1e-3)
        assert float(model.optimizer.learning_rate) == pytest.approx(rate)


def _weights_after(optimizer, steps=7, accumulate=1):
    rng = np.random.default_rng(0)
    weights = [
        keras.Variable(rng.normal(size=shape).astype("float32"), name=f"w{i}")
        for i, shape in enumerate([(4, 3), (3,), (2, 2, 2)])
    ]
    optimizer.build(weights)
    for _ in range(steps * accumulate):
        gradients = [
            keras.ops.convert_to_tensor(rng.normal(size=w.shape).astype("float32"))
            for w in weights
        ]
        optimizer.apply(gradients)
    return [keras.ops.convert_to_numpy(w) for w in weights]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_one_pass_does_what_keras_does_in_nine(accumulate):
    options = {"weight_decay": 0.05, "global_clipnorm": 1.0}
    if accumulate > 1:
        options["gradient_accumulation_steps"] = accumulate
    schedule = WarmupCosine(0.1, 30, 2)
    ours = _weights_after(AdamW(schedule, **options), accumulate=accumulate)
    theirs = _weights_after(
        keras.optimizers.AdamW(schedule, **options), accumulate=accumulate
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=5e-6)


def test_amsgrad_takes_the_way_of_keras():
    ours = _weights_after(AdamW(0.1, amsgrad=True))
    theirs = _weights_after(keras.optimizers.AdamW(0.1, amsgrad=True))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_adam_does_what_keras_does():
    ours = _weights_after(Adam(WarmupCosine(0.1, 30, 2), global_clipnorm=1.0))
    theirs = _weights_after(
        keras.optimizers.Adam(WarmupCosine(0.1, 30, 2), global_clipnorm=1.0)
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=5e-6)


@pytest.mark.parametrize("clip", ["global_clipnorm", "clipnorm", "clipvalue"])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_rows_of_one_word_are_added_up_before_clipping(name, clip):
    tf = pytest.importorskip("tensorflow")
    rows, words = tf.constant([[0.3, 0.4], [0.3, 0.4], [0.0, 2.0]]), [1, 1, 0]
    dense = tf.math.unsorted_segment_sum(rows, words, 3)

    def step(family, gradient):
        table = keras.Variable(np.ones((3, 2), "float32"))
        # Clipping shows in a second step; Adam's first depends on the sign alone.
        optimizer = getattr(family, name)(0.1, **{clip: 0.5})
        optimizer.apply([dense * 0.1], [table])
        optimizer.apply([gradient], [table])
        return table.numpy()

    import rmkeras.models.optimizer as ours

    sparse = tf.IndexedSlices(rows, tf.constant(words), tf.constant([3, 2]))
    true = step(keras.optimizers, dense)
    np.testing.assert_allclose(step(ours, sparse), true, rtol=2e-5)
    keras_way = step(keras.optimizers, sparse)
    assert np.abs(keras_way - true).max() > 1e-4  # what this is for


def test_a_saved_optimizer_comes_back():
    optimizer = adamw(1e-3, 50, accumulate=2)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(again, AdamW)
    assert again.get_config() == optimizer.get_config()


def test_several_devices_take_the_way_of_keras():
    tf = pytest.importorskip("tensorflow")
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(AdamW(0.1), "mse", jit_compile=False)
    x = np.ones((4, 3), "float32")
    before = model.get_weights()[0].copy()
    model.fit(x, np.ones((4, 1)), verbose=0)
    assert np.abs(model.get_weights()[0] - before).max() > 0.05
