"""The processor's matrix product, against which all speeds are held."""

from __future__ import annotations

import time


def matmul_peak(size=2048, repeats=8):
    """Returns the best rate of a float32 product of two square matrices, GFLOP/s."""
    from rmkeras.quiet import import_tensorflow

    tf, _ = import_tensorflow()
    best = float("inf")
    a, b = tf.random.normal((size, size)), tf.random.normal((size, size))
    for _ in range(repeats):
        started = time.perf_counter()
        tf.matmul(a, b).numpy()
        best = min(best, time.perf_counter() - started)
    return {"gflops": 2 * size**3 / best / 1e9}
