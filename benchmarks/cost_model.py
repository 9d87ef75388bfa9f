"""Checks the cost model on 1 and 2 workers here, and carries it to 1,000 GPUs.

python benchmarks/cost_model.py
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

WIDTH, LAYERS, ROWS, LENGTH, UPDATES = 256, 4, 16, 64, 25


def child(out, workers):
    """Measures an update, an all-reduce and a checkpoint; one worker."""
    from rmkeras.quiet import import_tensorflow

    made = []

    def first():
        from rmkeras.distribute import strategy

        made.append(strategy("multi-worker" if workers > 1 else "one"))

    tf, keras = import_tensorflow(first)
    from rmkeras.distribute import Checkpoints, TrainingLoop

    def build():
        keras.utils.set_random_seed(0)
        x = inputs = keras.layers.Input((LENGTH, WIDTH))
        for _ in range(LAYERS):  # The matrices of a Transformer block, no attention.
            h = keras.layers.Dense(4 * WIDTH, activation="gelu")(x)
            x = x + keras.layers.Dense(WIDTH)(h)
            x = x + keras.layers.Dense(WIDTH)(keras.layers.Dense(3 * WIDTH)(x))
        return keras.Model(inputs, keras.layers.Dense(1)(x))

    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, LENGTH, WIDTH)).astype("float32")
    y = np.zeros((ROWS, LENGTH, 1), "float32")
    data = tf.data.Dataset.from_tensors((x, y)).repeat(UPDATES)
    times = []
    loop = TrainingLoop(
        build,
        keras.losses.MeanSquaredError(),
        lambda: keras.optimizers.AdamW(1e-4, global_clipnorm=1.0),
        made[0],
    )
    loop.run(
        lambda epoch: data, 1, on_update=lambda *_: times.append(time.perf_counter())
    )
    step = float(np.median(np.diff(times)[5:]))
    sizes = [v.shape for v in loop.model.trainable_variables]
    count = int(sum(np.prod(s) for s in sizes))
    found = {"workers": workers, "parameters": count, "step_s": step}
    gradient = [np.zeros(s, "float32") for s in sizes]
    if workers > 1:
        loop.group.sum(gradient)
        started = time.perf_counter()
        for _ in range(5):
            loop.group.sum(gradient)
        found["sum_s"] = (time.perf_counter() - started) / 5
    if loop.group.is_chief:
        with tempfile.TemporaryDirectory() as folder:
            arrays = loop.arrays()
            started = time.perf_counter()
            Checkpoints(folder).save(1, {}, arrays)
            found["checkpoint_s"] = time.perf_counter() - started
            found["checkpoint_bytes"] = int(sum(a.nbytes for a in arrays.values()))
        Path(out).write_text(json.dumps(found), encoding="utf8")
    return 0


def measure(workers):
    """Runs 1 or 2 workers, with one thread each, and returns what they found."""
    import os

    from rmkeras.distribute.launch import Workers

    threads = {"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **threads}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        lines = []
        command = [sys.executable, str(Path(__file__).resolve())]
        command += ["--child", str(out), "--workers", str(workers)]
        running = Workers(command, workers, lambda i, x: lines.append(x), environment)
        if any(running.wait()):
            raise SystemExit("\n".join(lines[-20:]))
        return json.loads(out.read_text("utf8"))


def check():
    """Fits the machine on one worker and one all-reduce; predicts two workers."""
    from rmkeras.distribute.cost import Job, Machine, plan, step_flops

    one, two = measure(1), measure(2)
    job = Job(one["parameters"], ROWS * LENGTH)
    flops = step_flops(job) / one["step_s"]
    # One sum of all gradients sends each worker's share once around the ring.
    once = replace(job, reductions=1)
    bandwidth = once.parameters * once.gradient_bytes / two["sum_s"]
    disk = one["checkpoint_bytes"] / one["checkpoint_s"]
    machine = Machine(flops, bandwidth, latency=0.0, disk=disk)
    predicted = plan(job, machine, 2)
    return {
        "one": one,
        "two": two,
        "gflops": flops / 1e9,
        "all_reduce_mb_per_s": bandwidth / 1e6,
        "disk_mb_per_s": disk / 1e6,
        "predicted_step_s": predicted["step_s"],
        "measured_step_s": two["step_s"],
        "ratio": two["step_s"] / predicted["step_s"],
        "checkpoint_s_predicted": predicted["checkpoint_s"],
    }


def large():
    """7 B weights on 1 to 1,000 GPUs; the figures of the machine are assumptions."""
    from rmkeras.distribute.cost import Job, Machine, plan

    # 4·10¹⁴ operations a second is 40 % of an H100's bf16 peak (989·10¹²); 50 GB/s is
    # a 400 Gb/s network card a GPU; a failure a GPU every 50,000 hours is what Meta
    # reports of Llama 3 (419 interruptions in 54 days of 16,384 GPUs).
    machine = Machine(4e14, 5e10, latency=1e-5, disk=5e9, mtbf=50_000)
    job = Job(7e9, 4e6)
    return [plan(job, machine, devices) for devices in (1, 8, 64, 256, 1000)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", metavar="OUT", help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--paper", action="store_true", help="measure nothing")
    parser.add_argument("--out", metavar="FILE", help="write the numbers as JSON")
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child, arguments.workers)
    found = {"large": large()}
    if not arguments.paper:
        found["here"] = check()
        print(json.dumps(found["here"], indent=1))
    print("7 B weights, 4 M tokens an update, float32 gradients summed twice:")
    names = "devices compute_s step_s efficiency tokens_per_s checkpoint_s mtbf_s "
    names += "interval_s useful_share"
    print("".join(f"{n:>14s}" for n in names.split()))
    for row in found["large"]:
        print("".join(f"{row[n]:14.4g}" for n in names.split()))
    row = found["large"][-1]
    print(f"each GPU sends {row['all_reduce_bytes'] / 1e9:.0f} GB an update")
    print(f"each GPU holds {row['memory_bytes'] / 1e9:.0f} GB without activations")
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(found, indent=1), encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
