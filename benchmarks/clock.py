"""When each step of a Keras training ended, on the wall and on the processor."""

from __future__ import annotations

import resource
import time


def step_clock():
    """Returns a callback for `fit`; call it when TensorFlow has been imported."""
    import keras

    class Clock(keras.callbacks.Callback):
        times, cpu = [], []

        def on_train_begin(self, logs=None):
            self.begun = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())
            self.cpu.append(time.process_time())

    return Clock()


def readings(clock):
    """Returns what the clock has noted, and the most memory so far, ready for JSON."""
    return {
        "begun": clock.begun,
        "times": clock.times,
        "cpu": clock.cpu,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
