import numpy as np
import pytest
import tensorflow as tf

from rmkeras.data.service import through_service
from rmkeras.models.language_model import train_language_model

TEXTS = ["a good film", "not a good film", "this is a bad film"] * 8
SMALL = {
    "vocabulary_size": 280,
    "dim": 8,
    "num_layers": 1,
    "num_heads": 2,
    "max_length": 16,
    "epochs": 2,
    "batch_size": 4,
    "packed": True,
    "progress": False,
}


@pytest.fixture(scope="module")
def start():
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    config = service.WorkerConfig(dispatcher_address=address)
    workers = [service.WorkerServer(config)]
    yield address, lambda: workers.append(service.WorkerServer(config))


def test_a_model_pretrained_through_the_service_is_the_same_and_each_batch_comes_once(
    start,
):
    address, another = start
    here, _ = train_language_model(TEXTS, **SMALL)
    there, _ = train_language_model(TEXTS, data_service=address, **SMALL)
    for a, b in zip(here.get_weights(), there.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    another()
    made = through_service(lambda e: tf.data.Dataset.range(50), address, in_order=False)
    assert sorted(int(x) for x in made(0)) == list(range(50))
