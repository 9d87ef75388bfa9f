"""The processor's matrix product, against which all speeds are held."""

from __future__ import annotations

import time


def matmul_peak(size=2048, repeats=8, dtype="float32"):
    """Returns the best rate of a product of two square matrices, GFLOP/s."""
    from rmkeras.quiet import import_tensorflow

    tf, _ = import_tensorflow()
    best = float("inf")
    a, b = (tf.cast(tf.random.normal((size, size)), dtype) for _ in range(2))
    for _ in range(repeats):
        started = time.perf_counter()
        tf.matmul(a, b).numpy()
        best = min(best, time.perf_counter() - started)
    return {"gflops": 2 * size**3 / best / 1e9}
