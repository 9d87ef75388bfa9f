"""Training a MiniLM reward model on comparisons: rmkeras, TRL and a plain Keras loop.

The same model, pairs, batch size and longest text, AdamW, in float32 and, where the
processor multiplies in it, in bfloat16. The runs are interleaved, each in a process
of its own, and the first steps, in which graphs are compiled, are left out of the
medians. Prints a table and writes `benchmarks/results/train_speed.json`;
`make bench-train` runs it. Without TRL's environment
(`benchmarks/requirements-peers.txt` in `.venv-peers`) TRL is left out.
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

from rmkeras._cli_training import has_bfloat16

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "train_speed.json"
WARM = 4
# Products of a BERT block with a token: 4 d² in attention, 2 d·4d around it, two
# operations each, and twice as many again for the gradients.
FLOPS = 6 * 6 * (4 * 384**2 + 2 * 384 * 1536)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="comparisons; by default made from ratings")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peers", default=".venv-peers/bin/python")
    parser.add_argument("--only", help="names of runs, with commas between")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CHILDREN[arguments.child](arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.data = write_pairs(arguments, Path(folder) / "pairs.jsonl")
        names = [n for n in RUNS if not n.endswith("bf16") or has_bfloat16()]
        if not Path(arguments.peers).exists():
            names = [n for n in names if not n.startswith("trl")]
            print(f"no {arguments.peers}: TRL is left out", file=sys.stderr)
        if arguments.only:
            names = arguments.only.split(",")
        runs = {name: [] for name in names}
        for round_ in range(arguments.rounds):
            for name in list(runs):
                found = runs[name]
                raw = run(name, arguments)
                if raw is None:
                    del runs[name]
                    continue
                found.append(summary(raw))
                rate = found[-1]["tokens_per_second"]
                print(f"round {round_ + 1}: {name:12s} {rate:8.0f}", file=sys.stderr)
        report(runs, run("peak", arguments))


def write_pairs(arguments, path):
    """The same few hundred pairs for everybody."""
    count = arguments.steps * arguments.pairs
    if arguments.data:
        from rmkeras.data.usable import usable_records

        records = usable_records(arguments.data)[1]
        rng = np.random.default_rng(0)
        records = [records[i] for i in rng.permutation(len(records))[:count]]
        rows = [
            {"prompt": r.prompt, "chosen": r.chosen, "rejected": r.rejected}
            for r in records
        ]
    else:
        from rmkeras.data import load_human_ratings

        texts = sorted(load_human_ratings("train"), key=lambda r: r.rating)
        texts = texts[:count] + texts[-count:]
        rows = [
            {
                "prompt": "",
                "chosen": texts[-1 - i].text,
                "rejected": texts[i].text,
            }
            for i in range(count)
        ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf8")
    return str(path)


def run(name, arguments):
    if name.startswith("trl"):
        from rmkeras.data.minilm import minilm_folder

        command = [arguments.peers, str(HERE / "peers" / "trl_train.py")]
        command += [arguments.data, str(minilm_folder()), str(arguments.pairs)]
        command += [str(arguments.max_length), str(arguments.steps)]
        command += ["bfloat16" if name.endswith("bf16") else "float32"]
        command += ["grouped"] if "grouped" in name else []
    else:
        command = [sys.executable, __file__, "--child", name, "--data", arguments.data]
        for option in ("pairs", "max_length", "steps"):
            command += [
                f"--{option.replace('_', '-')}",
                str(getattr(arguments, option)),
            ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        if name.startswith("trl"):
            print(f"{name} failed and is left out:\n{done.stderr[-1500:]}")
            return None
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def summary(raw):
    seconds = np.diff(raw["times"])[WARM - 1 :]
    cpu = np.diff(raw["cpu"])[WARM - 1 :]
    tokens = np.array(raw["tokens"][WARM : WARM + len(seconds)])
    places = np.array(raw["places"][WARM : WARM + len(seconds)])
    return {
        "tokens_per_second": float(tokens.sum() / seconds.sum()),
        "cpu_seconds_per_1000_tokens": float(1000 * cpu.sum() / tokens.sum()),
        "padding_efficiency": float(tokens.sum() / places.sum()),
        "first_step_seconds": raw["times"][0] - raw["begun"],
        "memory_mb": raw["memory_mb"],
        "shapes": len(set(raw["places"])),
    }


def report(runs, peak):
    medians = {
        name: {key: float(np.median([f[key] for f in found])) for key in found[0]}
        for name, found in runs.items()
    }
    for name, row in medians.items():
        row["gflops"] = row["tokens_per_second"] * FLOPS / 1e9
        precision = "bfloat16" if name.endswith("bf16") else "float32"
        row["share_of_peak"] = row["gflops"] / peak[precision]
    for base in ("trl", "trl grouped bf16"):
        for row in medians.values() if base in medians else ():
            rate = medians[base]["tokens_per_second"]
            row[f"times_{base}".replace(" ", "_")] = row["tokens_per_second"] / rate
    results = {"peak_gflops": peak, "medians": medians, "runs": runs}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")
    for precision, rate in peak.items():
        print(f"matmul peak in {precision}: {rate:.0f} GFLOP/s")
    for name, row in medians.items():
        print(f"{name:12s} " + "  ".join(f"{k} {v:.3g}" for k, v in row.items()))


def child_rmkeras(arguments, precision="float32"):
    from rmkeras.quiet import import_tensorflow

    _, keras = import_tensorflow()
    keras.config.set_dtype_policy(precision)
    from rmkeras.data import read_records
    from rmkeras.losses import BradleyTerry
    from rmkeras.models.bert import FILL
    from rmkeras.models.optimizer import adamw
    from rmkeras.models.preference_training import pair_stream
    from rmkeras.models.pretrained import pretrained_reward_model

    model = pretrained_reward_model("minilm", max_length=arguments.max_length)
    stream, _ = pair_stream(model, read_records(arguments.data))
    model.compile(adamw(1e-4, arguments.steps), BradleyTerry(), jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # as `train` does
    order = {"batch_size": arguments.pairs, "seed": 0}
    tokens = [int((ids != 0).sum()) for ids, _ in stream.batches(**order)]
    clock = step_clock()
    model.fit(stream.dataset(**order), verbose=0, shuffle=False, callbacks=[clock])
    places = [-(-t // FILL) * FILL for t in tokens]
    return {**readings(clock), "tokens": tokens, "places": places}


def child_keras(arguments):
    """What a Keras user would write: KerasHub's BERT, padded to one width."""
    from rmkeras.quiet import import_tensorflow

    tf, keras = import_tensorflow()
    from rmkeras.data import read_records
    from rmkeras.losses import BradleyTerry
    from rmkeras.models.preference_training import PairEncoder
    from rmkeras.models.pretrained import load_pretrained

    backbone, tokenizer, _ = load_pretrained("minilm")

    class Settings:
        max_length = arguments.max_length

    Settings.tokenizer = tokenizer
    rows, targets = PairEncoder(Settings)(read_records(arguments.data))
    ids = np.zeros((len(rows), 2, arguments.max_length), "int32")
    for i, sides in enumerate(rows):
        for k, side in enumerate(sides):
            ids[i, k, : len(side)] = side

    class Pairs(keras.Model):
        def __init__(self):
            super().__init__()
            self.backbone, self.head = backbone, keras.layers.Dense(1)

        def call(self, ids, training=None):
            flat = tf.reshape(ids, (-1, arguments.max_length))
            mask = tf.cast(flat != 0, "int32")
            inputs = {"token_ids": flat, "padding_mask": mask}
            inputs["segment_ids"] = tf.zeros_like(flat)
            h = self.backbone(inputs, training=False)["sequence_output"]
            m = tf.cast(mask, h.dtype)[..., None]
            h = tf.reduce_sum(h * m, 1) / tf.reduce_sum(m, 1)
            return tf.reshape(self.head(h), (-1, 2))

    model = Pairs()
    optimizer = keras.optimizers.AdamW(1e-4, global_clipnorm=1.0)
    model.compile(optimizer, BradleyTerry(), jit_compile=False)
    clock = step_clock()
    model.fit(
        ids,
        targets,
        batch_size=arguments.pairs,
        shuffle=False,
        verbose=0,
        callbacks=[clock],
    )
    size = arguments.pairs
    tokens = [int((ids[i : i + size] != 0).sum()) for i in range(0, len(ids), size)]
    places = [ids[i : i + size].size for i in range(0, len(ids), size)]
    return {**readings(clock), "tokens": tokens, "places": places}


CHILDREN = {
    "rmkeras": child_rmkeras,
    "rmkeras bf16": lambda arguments: child_rmkeras(arguments, "mixed_bfloat16"),
    "plain keras": child_keras,
    "peak": lambda arguments: {
        dtype: matmul_peak(dtype=dtype)["gflops"] for dtype in ("float32", "bfloat16")
    },
}

RUNS = ("rmkeras", "plain keras", "trl", "trl grouped")
RUNS += ("rmkeras bf16", "trl bf16", "trl grouped bf16")

if __name__ == "__main__":
    main()
