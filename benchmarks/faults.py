"""Kills, pauses and starves workers at random moments, and compares final weights.

Each round trains the same small model on two workers, disturbs them, starts them
again from their checkpoints until they are done, and compares the weights with those
of a run that nobody disturbed: they have to be the same to the last bit.

    python benchmarks/faults.py --rounds 20
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

KINDS = ("kill", "kill-and-damage", "pause", "starve", "terminate")
EPOCHS, ROWS, BATCH = 5, 96, 8
HERE = str(Path(__file__).resolve())


def child(out, resume):
    """One worker."""
    import keras
    import tensorflow as tf

    from rmkeras.distribute import (
        Checkpoints,
        Stopped,
        TrainingLoop,
        WorkerLost,
        strategy,
    )

    shared = strategy("multi-worker")

    def build():
        keras.utils.set_random_seed(0)
        return keras.Sequential(
            [
                keras.layers.Input((6,)),
                keras.layers.Dense(16, activation="tanh"),
                keras.layers.Dropout(0.1),
                keras.layers.Dense(1),
            ]
        )

    def optimizer():
        steps = EPOCHS * ROWS // BATCH
        schedule = keras.optimizers.schedules.CosineDecay(1e-2, steps)
        return keras.optimizers.AdamW(schedule, use_ema=True, global_clipnorm=0.5)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 6)).astype("float32")
    y = np.sin(x.sum(axis=1, keepdims=True)).astype("float32")

    def batches(epoch):
        order = np.random.default_rng(epoch).permutation(ROWS)
        return tf.data.Dataset.from_tensor_slices((x[order], y[order])).batch(BATCH)

    loop = TrainingLoop(build, keras.losses.MeanSquaredError(), optimizer, shared)
    # The pause makes the run long enough to be hit in the middle.
    try:
        loop.run(
            batches,
            EPOCHS,
            Checkpoints(out / "checkpoints", say=print),
            resume=resume and bool(list((out / "checkpoints").glob("*.ckpt"))),
            save_every=0.3,
            on_update=lambda loop, state, loss: time.sleep(0.05),
        )
    except (Stopped, WorkerLost) as stop:
        print(stop, flush=True)
        return stop.exit_code
    if loop.group.is_chief:
        np.savez(out / "final.npz", **loop.arrays())
    return 0


def disturb(kind, workers, out, rng):
    """Does one thing to the workers at a random moment; returns what.

    Four times in five while they train, which takes them some five seconds and begins
    with the first checkpoint; otherwise while they start.
    """
    training = rng.random() < 0.8
    while training and not list((out / "checkpoints").glob("*.ckpt")):
        time.sleep(0.05)
        if any(p.poll() is not None for p in workers.processes):
            break
    waited = rng.uniform(0.2, 4.5)
    time.sleep(waited)
    victim = rng.randrange(len(workers.processes))
    process = workers.processes[victim]
    done = sorted((out / "checkpoints").glob("*.ckpt"))
    told = {"worker": victim, "training": training, "after_s": round(waited, 1)}
    told["update"] = int(done[-1].stem.split("-")[1]) if done else None
    if process.poll() is not None:
        return {**told, "late": True}
    if kind in ("kill", "kill-and-damage"):
        process.kill()
    elif kind == "terminate":
        process.terminate()
    elif kind == "pause":
        told["pause_s"] = round(rng.uniform(0.5, 4.0), 1)
        process.send_signal(signal.SIGSTOP)
        time.sleep(told["pause_s"])
        process.send_signal(signal.SIGCONT)
    else:  # A twentieth of the processor, for a while.
        for _ in range(40):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.095)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.005)
    return told


def train(out, resume, kind=None, rng=None):
    """Runs two workers once; returns their exit statuses and what was done."""
    from rmkeras.distribute.launch import Workers

    lines = []
    command = ["python", HERE, "--child", str(out), *(["--resume"] if resume else [])]
    workers = Workers(command, 2, lambda i, line: lines.append(f"[{i}] {line}"))
    started = time.monotonic()
    told = None if kind is None else disturb(kind, workers, out, rng)
    codes = workers.wait()
    told = told or {}
    told["seconds"] = round(time.monotonic() - started, 1)
    return codes, told, lines


def finish(out, kind, rng, most=8):
    """Trains to the end, disturbed once; returns starts and what was done."""
    codes, told, lines = train(out, False, kind, rng)
    starts = 1
    while not (out / "final.npz").exists():
        if kind == "kill-and-damage" and starts == 1:
            files = sorted((out / "checkpoints").glob("*.ckpt"))
            if len(files) > 1:  # Half of the newest is lost.
                files[-1].write_bytes(
                    files[-1].read_bytes()[: -files[-1].stat().st_size // 2]
                )
                told["damaged"] = files[-1].name
        if starts >= most:
            raise SystemExit("\n".join(lines[-30:]))
        codes, _, lines = train(out, True)
        starts += 1
    return starts, told, codes


def same(a, b):
    """Whether two files hold the same bits."""
    with np.load(a) as x, np.load(b) as y:
        return x.files == y.files and all((x[k] == y[k]).all() for k in x.files)


def run_rounds(rounds, seed=0, say=lambda line: print(line, file=sys.stderr)):
    """Returns a list with a dict for each round."""
    rng, found = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        whole.mkdir()
        finish(whole, None, rng)
        for number in range(rounds):
            kind = KINDS[number % len(KINDS)]
            out = Path(folder) / f"round-{number}"
            out.mkdir()
            starts, told, _ = finish(out, kind, rng)
            right = same(whole / "final.npz", out / "final.npz")
            found.append({"kind": kind, "right": right, "starts": starts, **told})
            say(json.dumps(found[-1]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", metavar="OUT", help=argparse.SUPPRESS)
    parser.add_argument("--resume", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(Path(arguments.child), arguments.resume)
    found = run_rounds(arguments.rounds, arguments.seed)
    right = sum(r["right"] for r in found)
    print(json.dumps({"rounds": len(found), "right": right, "each": found}, indent=1))
    print(f"{right} of {len(found)} rounds end at the right weights")
    return 0 if right == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
