import json

import keras
import pytest

from rmkeras.distribute import (
    Group,
    TrainingLoop,
    check_fit,
    check_optimizer,
    cluster_of,
    mean_loss,
    strategy,
)
from rmkeras.errors import RmkerasError


def config(index=0, kind="worker", **cluster):
    cluster = cluster or {"worker": ["a:1", "b:2"]}
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        (config(2), "worker 2 of 2"),
        (config(kind="ps", worker=["a:1"], ps=["b:1"]), "workers alone"),
    ],
)
def test_a_wrong_tf_config_is_explained(text, message):
    with pytest.raises(RmkerasError, match=f"{message}.*expected"):
        cluster_of(text)


def test_strategies_by_name(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategy("auto").num_replicas_in_sync == 1
    for name, message in (
        ("two", "no strategy 'two'; expected auto"),
        ("mirrored", "two or more devices"),
        ("multi-worker", "rmkeras launch"),
        ("one:2", "no strategy"),
        ("mirrored:2", "before TensorFlow runs"),
        ("tpu", "no TPU"),
    ):
        with pytest.raises(RmkerasError, match=message):
            strategy(name)
    group = Group(strategy("one"))
    assert group.broadcast({"a": 1}, {"b": 2}) == ({"a": 1}, {"b": 2})


class Two:
    """What `check_fit` asks of a strategy of two replicas."""

    num_replicas_in_sync = 2


def test_what_keras_would_do_silently_wrong_is_refused():
    layers = [keras.layers.Input((1,)), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    for optimizer, word in (
        (keras.optimizers.Adam(global_clipnorm=1.0), "global_clipnorm"),
        (keras.optimizers.Adam(clipvalue=1.0), "clipvalue"),
        (keras.optimizers.Adam(gradient_accumulation_steps=2), "accumulation"),
    ):
        model.compile(optimizer, "mse")
        check_fit(model)
        with pytest.raises(RmkerasError, match=f"{word}.*TrainingLoop"):
            check_fit(model, Two())
        scaled = keras.optimizers.LossScaleOptimizer(optimizer)
        with pytest.raises(RmkerasError, match=word):
            check_optimizer(scaled, 2)

    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, **more):
            return keras.ops.mean(y_pred)

    model = Plain()
    model.compile(keras.optimizers.Adam())
    with pytest.raises(RmkerasError, match=r"compute_loss.*2 times"):
        check_fit(model, Two())


def test_the_loop_says_what_it_needs():
    layers = [keras.layers.Input((1,)), keras.layers.Dense(1)]
    with pytest.raises(RmkerasError, match="reduction 'sum'"):
        mean_loss(keras.losses.MeanSquaredError(reduction="sum"))
    with pytest.raises(RmkerasError, match="no weights yet"):
        TrainingLoop(
            lambda: keras.Sequential(layers[1:]),
            keras.losses.MeanSquaredError(),
            keras.optimizers.Adam,
            "one",
        )
