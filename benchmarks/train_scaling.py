"""Reward model training: time against tokens, memory against the data's size.

Left: seconds a MiniLM training step takes, for 1 to 16 comparisons a step of mixed
lengths. Right: the peak of resident memory while a model trains on files of 4 to
256 MB, streamed. Each point is a process of its own. Writes
`benchmarks/results/train_scaling.json` and `docs/train_scaling.png`;
`make bench-train-scaling` runs it; a few minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "train_scaling.json"
FIGURE = HERE.parent / "docs" / "train_scaling.png"
PAIRS = (1, 2, 4, 8, 16)
MEGABYTES = (4, 16, 64, 256)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", help=argparse.SUPPRESS)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.time:
        print(json.dumps(time_of_steps(arguments.time)))
    elif arguments.memory:
        print(json.dumps(memory_of(arguments.memory)))
    else:
        measure()


def measure():
    results = {"memory": []}
    with tempfile.TemporaryDirectory() as folder:
        file = write_pairs(Path(folder) / "pairs.jsonl", megabytes=2)
        results["time"] = child("--time", file)
        for size in MEGABYTES:
            file = write_pairs(Path(folder) / "pairs.jsonl", size)
            results["memory"].append({"data_mb": size, **child("--memory", file)})
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")
    for row in results["time"] + results["memory"]:
        print(row)
    draw(results)


def child(option, file):
    command = [sys.executable, __file__, option, str(file)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def write_pairs(path, megabytes):
    """Comparisons of 20 to 250 words, made of the human ratings' words."""
    from rmkeras.data import load_human_ratings

    words = " ".join(r.text for r in load_human_ratings("train")).split()
    rng, written = np.random.default_rng(0), 0
    with path.open("w", encoding="utf8") as out:
        while written < megabytes * 1e6:
            row = {}
            for field, most in (("prompt", 40), ("chosen", 200), ("rejected", 200)):
                count = int(rng.integers(10, most))
                start = int(rng.integers(len(words) - count))
                row[field] = " ".join(words[start : start + count])
            written += out.write(json.dumps(row) + "\n")
    return path


def time_of_steps(file):
    from rmkeras.quiet import import_tensorflow

    import_tensorflow()
    from rmkeras.data import iter_records
    from rmkeras.losses import BradleyTerry
    from rmkeras.models.optimizer import adamw
    from rmkeras.models.preference_training import pair_stream
    from rmkeras.models.pretrained import pretrained_reward_model

    model = pretrained_reward_model("minilm", max_length=256)
    stream, _ = pair_stream(model, lambda: iter_records(file))
    model.compile(adamw(1e-4, 100), BradleyTerry(), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    rows = []
    for pairs in PAIRS:
        ids, targets = next(stream.batches(pairs, seed=0))
        seconds = []
        for _ in range(7):
            started = time.perf_counter()
            model.train_on_batch(ids, targets)
            seconds.append(time.perf_counter() - started)
        rows.append({"tokens": int((ids != 0).sum()), "seconds": min(seconds)})
    return rows


def memory_of(file):
    from rmkeras.quiet import import_tensorflow

    import_tensorflow()
    from rmkeras.data import iter_records
    from rmkeras.losses import BradleyTerry
    from rmkeras.models.preference_training import pair_stream
    from rmkeras.models.reward_model import lstm_reward_model
    from rmkeras.text import SubwordTokenizer

    tokenizer = SubwordTokenizer.train(
        (r.chosen for _, r in zip(range(2000), iter_records(file), strict=False)), 2000
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()

    model = lstm_reward_model(tokenizer, dim=32, units=32, max_length=256)
    # Two million tokens are kept; beyond that the file is read again each pass.
    stream, _ = pair_stream(model, lambda: iter_records(file), keep_tokens=2_000_000)
    model.compile("adam", BradleyTerry(), jit_compile=False)
    for number, (ids, targets) in enumerate(stream.batches(32, seed=0)):
        if number % 200 == 0:  # The whole file passes; a few batches train.
            model.train_on_batch(ids, targets)
    return {
        "pairs": len(stream),
        "before_mb": before / 1024,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": round(time.monotonic() - started, 1),
    }


def draw(results):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    tokens, seconds = (
        np.array([row[key] for row in results["time"]]) for key in ("tokens", "seconds")
    )
    slope, offset = np.polyfit(tokens, seconds, 1)
    left.plot(tokens, seconds, "o", label="measured")
    left.plot(tokens, slope * tokens + offset, "-", lw=1, label="straight line")
    left.set(xlabel="real tokens in a step", ylabel="seconds a step", ylim=0, xlim=0)
    left.set_title("Time grows with tokens alone")
    left.legend(frameon=False)
    rows = results["memory"]
    size = [row["data_mb"] for row in rows]
    right.plot(size, [row["peak_mb"] for row in rows], "o-", label="peak in training")
    right.plot(size, [row["before_mb"] for row in rows], "--", label="after imports")
    right.set(xscale="log", xlabel="file, MB", ylabel="resident memory, MB")
    right.set(ylim=(0, 1200), xticks=size, xticklabels=size)
    right.minorticks_off()
    right.set_title("Memory is flat once two million tokens are kept")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(FIGURE, dpi=110)


if __name__ == "__main__":
    main()
