"""Sampling from a GPT-2: rmkeras, KerasHub's `generate`, transformers' `generate`.

The same architecture, weights, prompts and batch, float32, pure sampling: 8 tokens
of prompt, no end-of-text, so that everybody draws the same number. Runs are
interleaved, each in a process of its own; the first call, which compiles, is timed
apart. Prints a table and writes `benchmarks/results/generate.json`; `make
bench-generate` runs it. Without transformers' environment
(`benchmarks/requirements-peers.txt` in `.venv-peers`) it is left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from peak import matmul_peak

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "generate.json"
LAYERS, DIM, HEADS, VOCABULARY, PROMPT = 4, 256, 4, 4096, 8
# Products a new token costs outside of attention: two operations each.
FLOPS = 2 * (LAYERS * 12 * DIM**2 + DIM * VOCABULARY)
CASES = [(64, 48), (1, 48), (16, 48), (256, 48), (64, 128), (64, 256), (64, 512)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", type=int, default=len(CASES), help="how many")
    parser.add_argument("--only", metavar="BATCHxNEW", help="one case; the others stay")
    parser.add_argument("--peers", default=".venv-peers/bin/python")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--new", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--weights", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CHILDREN[arguments.child](arguments)))
        return
    names = ["rmkeras", "keras_hub"]
    if Path(arguments.peers).exists():
        names.append("transformers")
    else:
        print(f"no {arguments.peers}: transformers is left out", file=sys.stderr)
    results, cases = [], CASES[: arguments.cases]
    if arguments.only:
        batch, new = (int(n) for n in arguments.only.split("x"))
        cases = [(batch, new)]
        for case in json.loads(RESULTS.read_text("utf8"))["cases"]:
            if (case["batch"], case["new_tokens"]) != (batch, new):
                results.append(case)
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "weights.npz")
        np.savez(weights, **random_weights())
        peak = run("peak", arguments, 0, 0, weights)["gflops"]
        for batch, new in cases:
            runs = {name: [] for name in names}
            for _ in range(arguments.rounds if (batch, new) == CASES[0] else 1):
                for name in names:
                    runs[name].append(run(name, arguments, batch, new, weights))
            results.append(report(batch, new, runs, peak))
            RESULTS.parent.mkdir(exist_ok=True)
            found = {"peak_gflops": peak, "cases": results}
            RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf8")


def random_weights():
    """GPT-2's weights by the names that Hugging Face gives them."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(0, 0.02, shape).astype("float32")

    weights = {
        "wte.weight": normal(VOCABULARY, DIM),
        "wpe.weight": normal(1024, DIM),
        "ln_f.weight": np.ones(DIM, "float32"),
        "ln_f.bias": np.zeros(DIM, "float32"),
    }
    for i in range(LAYERS):
        for name, inner, outer in (
            ("attn.c_attn", DIM, 3 * DIM),
            ("attn.c_proj", DIM, DIM),
            ("mlp.c_fc", DIM, 4 * DIM),
            ("mlp.c_proj", 4 * DIM, DIM),
        ):
            weights[f"h.{i}.{name}.weight"] = normal(inner, outer)
            weights[f"h.{i}.{name}.bias"] = np.zeros(outer, "float32")
        for name in ("ln_1", "ln_2"):
            weights[f"h.{i}.{name}.weight"] = np.ones(DIM, "float32")
            weights[f"h.{i}.{name}.bias"] = np.zeros(DIM, "float32")
    return weights


def run(name, arguments, batch, new, weights):
    own = [sys.executable, __file__, "--child", name]
    options = ["--batch", str(batch), "--new", str(new), "--weights", weights]
    if name == "transformers":
        own = [arguments.peers, str(HERE / "peers" / "generate.py")]
        options = [str(batch), str(new), weights]
    done = subprocess.run(own + options, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def report(batch, new, runs, peak):
    case = {"batch": batch, "new_tokens": new}
    for name, found in runs.items():
        rate = float(np.median([f["tokens_per_second"] for f in found]))
        case[name] = {
            "tokens_per_second": rate,
            "tokens_per_cpu_second": float(
                np.median([f["tokens_per_cpu_second"] for f in found])
            ),
            "first_call_seconds": float(np.median([f["first"] for f in found])),
            "share_of_peak": rate * FLOPS / 1e9 / peak,
        }
        row = "  ".join(f"{k} {v:.3g}" for k, v in case[name].items())
        print(f"batch {batch:3d} new {new:3d}  {name:12s} {row}", flush=True)
    ours = case["rmkeras"]["tokens_per_second"]
    for name in runs:
        case[name]["rmkeras_is_times"] = ours / case[name]["tokens_per_second"]
    return case


def measure(generate, batch, new, repeats=5):
    """Times a function from a seed; the first call apart."""
    started = time.perf_counter()
    generate(0)
    first = time.perf_counter() - started
    if first > 60:
        repeats = 1
    seconds, cpu = [], []
    for seed in range(repeats):
        started, begun = time.perf_counter(), time.process_time()
        generate(seed + 1)
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - begun)
    tokens = batch * new
    return {
        "first": first,
        "tokens_per_second": tokens / float(np.median(seconds)),
        "tokens_per_cpu_second": tokens / float(np.median(cpu)),
    }


def keras_hub_backbone(arguments):
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY,
        num_layers=LAYERS,
        num_heads=HEADS,
        hidden_dim=DIM,
        intermediate_dim=4 * DIM,
        max_sequence_length=1024,
        dropout=0.0,
    )
    w = np.load(arguments.weights)
    backbone.token_embedding.embeddings.assign(w["wte.weight"])
    backbone.get_layer("position_embedding").position_embeddings.assign(w["wpe.weight"])
    for i in range(LAYERS):
        layer = backbone.get_layer(f"transformer_layer_{i}")
        attention = layer._self_attention_layer
        kernel = w[f"h.{i}.attn.c_attn.weight"]
        parts = (
            attention._query_dense,
            attention._key_dense,
            attention._value_dense,
        )
        for dense, part in zip(parts, np.split(kernel, 3, axis=1), strict=True):
            dense.kernel.assign(part.reshape(dense.kernel.shape))
        dense = attention._output_dense
        dense.kernel.assign(w[f"h.{i}.attn.c_proj.weight"].reshape(dense.kernel.shape))
        layer._feedforward_intermediate_dense.kernel.assign(w[f"h.{i}.mlp.c_fc.weight"])
        layer._feedforward_output_dense.kernel.assign(w[f"h.{i}.mlp.c_proj.weight"])
    return backbone


def child_rmkeras(arguments):
    from rmkeras.quiet import import_tensorflow

    import_tensorflow()
    from rmkeras.models import CausalLM
    from rmkeras.rl import Sampler

    class Tokenizer:
        """The benchmark speaks in ids."""

        vocabulary_size, end_id, start_ids = VOCABULARY + 1, None, []

    model = CausalLM(
        Tokenizer,
        DIM,
        LAYERS,
        HEADS,
        max_length=1024,
        dropout=0.0,
        activation="gelu_approximate",
    )
    model.load_gpt2(keras_hub_backbone(arguments))
    prompts = np.arange(2, 2 + PROMPT)[None].repeat(arguments.batch, 0)
    # Stopping is watched for, as always, on an id that is never drawn.
    sampler = Sampler(model, arguments.new, stop_ids=(0,))

    def generate(seed):
        assert sampler(prompts, seed=seed).mask.numpy().all()

    return measure(generate, arguments.batch, arguments.new)


def child_keras_hub(arguments):
    from rmkeras.quiet import import_tensorflow

    import_tensorflow()
    import keras_hub

    model = keras_hub.models.GPT2CausalLM(
        keras_hub_backbone(arguments), preprocessor=None
    )
    model.compile(sampler=keras_hub.samplers.RandomSampler(seed=1), jit_compile=True)
    length = PROMPT + arguments.new
    ids = np.ones((arguments.batch, length), "int32")
    ids[:, :PROMPT] = np.arange(1, 1 + PROMPT)
    mask = np.zeros_like(ids)
    mask[:, :PROMPT] = 1
    inputs = {"token_ids": ids, "padding_mask": mask}

    def generate(seed):
        model.generate(inputs, stop_token_ids=None)

    return measure(generate, arguments.batch, arguments.new)


CHILDREN = {
    "rmkeras": child_rmkeras,
    "keras_hub": child_keras_hub,
    "peak": lambda arguments: matmul_peak(),
}

if __name__ == "__main__":
    main()
