"""Speed of pretraining a GPT-2 of 8 million parameters: rmkeras and transformers.

The same architecture, rows and optimiser settings for all: 4 layers × 384, 3,072
tokens, the training texts of the human ratings packed into rows of 128, 16 rows a
step, AdamW, clipping, no dropout. Runs are interleaved, each in a process of its own;
the first steps, which compile, are timed apart. transformers' `Trainer` gets the rows
ready made, in float32 and in bfloat16, and may attend across documents, which costs it
less; rmkeras keeps them apart. Prints a table and writes
`benchmarks/results/lm_train_speed.json`. Without transformers' environment
(`benchmarks/requirements-peers.txt` in `.venv-peers`) it is left out.

Share of the peak: six operations a weight and token, without attention, over what a
2048³ product reaches in float32 in the same run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from clock import readings, step_clock
from peak import matmul_peak

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "lm_train_speed.json"
LAYERS, DIM, HEADS, VOCABULARY, LENGTH, ROWS, WARM = 4, 384, 6, 3072, 128, 16, 4
FLOPS = 6 * (LAYERS * 12 * DIM**2 + DIM * VOCABULARY)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--peers", default=".venv-peers/bin/python")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CHILDREN[arguments.child](arguments)))
        return
    names = ["rmkeras float32", "rmkeras bfloat16"]
    if Path(arguments.peers).exists():
        names += ["transformers float32", "transformers bfloat16"]
    else:
        print(f"no {arguments.peers}: transformers is left out", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "rows.npz")
        child("rows", arguments, file)
        peak = child("peak", arguments, file)["gflops"]
        runs = {name: [] for name in names}
        for _ in range(arguments.rounds):
            for name in names:
                runs[name].append(summary(run(name, arguments, file)))
                rate = runs[name][-1]["tokens_per_second"]
                print(f"{name:22s} {rate:7.0f} tokens/s", file=sys.stderr)
    report(runs, peak)


def child(name, arguments, file):
    command = [sys.executable, __file__, "--child", name, "--file", file]
    return finish([*command, "--steps", str(arguments.steps)])


def run(name, arguments, file):
    if name.startswith("rmkeras"):
        return child(name, arguments, file)
    command = [arguments.peers, str(HERE / "peers" / "lm_train.py"), file]
    numbers = (HEADS, LAYERS, DIM, ROWS, arguments.steps)
    return finish([*command, *map(str, numbers), name.split()[1]])


def finish(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def summary(raw):
    seconds = float(np.median(np.diff(raw["times"])[WARM - 1 :]))
    cpu = float(np.median(np.diff(raw["cpu"])[WARM - 1 :]))
    return {
        "tokens_per_second": ROWS * LENGTH / seconds,
        "tokens_per_cpu_second": ROWS * LENGTH / cpu,
        "first_step_seconds": raw["times"][0] - raw["begun"],
        "parameters": raw["parameters"],
        "memory_mb": raw["memory_mb"],
    }


def report(runs, peak):
    medians = {
        name: {key: float(np.median([f[key] for f in found])) for key in found[0]}
        for name, found in runs.items()
    }
    peers = [r["tokens_per_second"] for n, r in medians.items() if "transf" in n]
    print(f"matmul peak {peak:.0f} GFLOP/s in float32")
    for name, row in medians.items():
        row["share_of_peak"] = row["tokens_per_second"] * FLOPS / 1e9 / peak
        if peers:
            row["times_best_transformers"] = row["tokens_per_second"] / max(peers)
        print(f"{name:22s} " + "  ".join(f"{k} {v:.4g}" for k, v in row.items()))
    results = {"peak_gflops": peak, "medians": medians, "runs": runs}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")


def child_rows(arguments):
    """The same packed rows for everybody."""
    from rmkeras.data import load_human_ratings, pack_rows
    from rmkeras.text import SubwordTokenizer

    texts = [r.text for r in load_human_ratings("train")][:6000]
    tokenizer = SubwordTokenizer.train(texts, VOCABULARY)
    rows = tokenizer.encode(texts, start=True, end=True)
    packed = pack_rows(rows, LENGTH)
    full = np.argsort(-(packed.segments > 0).sum(1), kind="stable")
    full = full[: ROWS * arguments.steps]
    assert len(full) == ROWS * arguments.steps, "too few texts for so many steps"
    parts = {k: v[full] for k, v in packed._asdict().items()}
    np.savez(arguments.file, vocabulary=tokenizer.vocabulary_size, **parts)
    return {"full": float((parts["segments"] > 0).mean())}


def child_rmkeras(arguments, policy):
    from rmkeras.quiet import import_tensorflow

    _, keras = import_tensorflow()
    keras.config.set_dtype_policy(policy)
    from rmkeras.data import PackedRows, packed_batches
    from rmkeras.models import CausalLM
    from rmkeras.models.language_model import compile_language_model

    data = np.load(arguments.file)
    packed = PackedRows(*(data[name] for name in PackedRows._fields))

    class Tokenizer:
        """The benchmark speaks in ids."""

        vocabulary_size, end_id, start_ids = int(data["vocabulary"]), 1, []

    keras.utils.set_random_seed(0)
    model = CausalLM(Tokenizer, DIM, LAYERS, HEADS, max_length=LENGTH, dropout=0.0)
    compile_language_model(model, arguments.steps, 1e-3)
    model.optimizer.build(model.trainable_variables)  # as `train` does
    clock = step_clock()
    history = model.fit(
        packed_batches(packed, ROWS, 0, 0), verbose=0, shuffle=False, callbacks=[clock]
    )
    return {
        **readings(clock),
        "loss": history.history["loss"][-1],
        "parameters": model.count_params(),
    }


CHILDREN = {
    "rmkeras float32": lambda arguments: child_rmkeras(arguments, "float32"),
    "rmkeras bfloat16": lambda arguments: child_rmkeras(arguments, "mixed_bfloat16"),
    "rows": child_rows,
    "peak": lambda arguments: matmul_peak(),
}

if __name__ == "__main__":
    main()
