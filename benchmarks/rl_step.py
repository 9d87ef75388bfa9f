"""One online step: rmkeras, TRL's GRPOTrainer and RLOOTrainer, a plain PyTorch loop.

32 prompts of 8 tokens, 4 samples each, 48 new tokens, GPT-2 of 4 layers × 256 with
4,096 words, KL to a reference (β = 0.04), one update a step, in float32 and, where the
processor multiplies in it, in bfloat16; end-of-text can be drawn. The reward is a Python function that counts words. Runs are interleaved, each
in a process of its own; the first two steps, which compile, are left out. Writes
`benchmarks/results/rl_step.json`; `make bench-rl` runs it. Without TRL's environment
(`benchmarks/requirements-peers.txt` in `.venv-peers`) the peers are left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from peak import matmul_peak

from rmkeras._cli_training import has_bfloat16

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "rl_step.json"
LAYERS, DIM, HEADS, VOCABULARY = 4, 256, 4, 4096
PROMPTS, SAMPLES, PROMPT, NEW = 32, 4, 8, 48
ROWS = PROMPTS * SAMPLES
# Products outside of attention, two operations each, of one token forwards.
BODY, HEAD = 2 * LAYERS * 12 * DIM**2, 2 * DIM * VOCABULARY
READ = ROWS * ((PROMPT + NEW - 1) * BODY + NEW * HEAD)  # one pass over the samples
FLOPS = {
    "sample": PROMPTS * PROMPT * BODY + ROWS * NEW * (BODY + HEAD),
    "compare": READ,
    "update": 3 * READ,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--peers", default=".venv-peers/bin/python")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments.child, arguments.steps)))
        return
    names = ["rmkeras grpo", "rmkeras rloo"]
    if Path(arguments.peers).exists():
        names += ["trl grpo", "trl rloo", "torch grpo"]
    if has_bfloat16():
        names += [f"{n} bf16" for n in names if not n.startswith("torch")]
    if not Path(arguments.peers).exists():
        print(f"no {arguments.peers}: TRL and PyTorch are left out", file=sys.stderr)
    peak = run("peak", arguments)["gflops"]
    found = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            found[name].append(run(name, arguments))
            print(name, found[name][-1], flush=True)
    results = {"peak_gflops": peak, "seconds": {}, "phases": {}}
    for name, runs in found.items():
        results["seconds"][name] = float(np.median([r["seconds"] for r in runs]))
        if "phases" in runs[0]:
            results["phases"][name] = {
                phase: float(np.median([r["phases"][phase] for r in runs]))
                for phase in runs[0]["phases"]
            }
    print(
        f"\nmatmul peak {peak:.0f} GFLOP/s; everything at the peak would take "
        f"{sum(FLOPS.values()) / 1e9 / peak:.2f} s"
    )
    for name, seconds in results["seconds"].items():
        kind = name.split()[1]
        ours = (results["seconds"].get(f"rmkeras {kind}{b}") for b in ("", " bf16"))
        ratios = " / ".join(f"{seconds / o:.2f}" for o in ours if o)
        print(f"{name:18s} {seconds:6.2f} s   rmkeras is {ratios} times as fast")
    for name, phases in results["phases"].items():
        parts = "  ".join(
            f"{phase} {seconds:.2f} s"
            + (
                f" ({FLOPS[phase] / 1e9 / peak / seconds:.0%} of the peak)"
                if phase in FLOPS
                else ""
            )
            for phase, seconds in phases.items()
        )
        print(f"{name:14s} {parts}")
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")


def run(name, arguments):
    own = [sys.executable, __file__, "--child", name, "--steps", str(arguments.steps)]
    if name.split()[0] in ("trl", "torch"):
        own = [arguments.peers, str(HERE / "peers" / "rl_step.py"), name]
        own.append(str(arguments.steps))
    done = subprocess.run(own, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def words():
    """A tokeniser of 4,096 words that need no merging."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    from rmkeras.text import SubwordTokenizer

    vocabulary = {"<|pad|>": 0, "<|endoftext|>": 1}
    vocabulary |= {f"w{i}": i for i in range(2, VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w2"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<|pad|>", "<|endoftext|>"])
    return SubwordTokenizer(tokenizer.to_str())


def child(name, steps):
    if name == "peak":
        return matmul_peak()
    from rmkeras.quiet import import_tensorflow

    _, keras = import_tensorflow()
    if name.endswith("bf16"):
        keras.config.set_dtype_policy("mixed_bfloat16")
    from rmkeras.models import CausalLM
    from rmkeras.rewards import FunctionReward
    from rmkeras.rl import GRPO, RLOO

    policy = CausalLM(
        words(),
        DIM,
        LAYERS,
        HEADS,
        max_length=64,
        dropout=0.0,
        activation="gelu_approximate",
    )
    rng = np.random.default_rng(0)
    prompts = [
        " ".join(f"w{i}" for i in rng.integers(2, VOCABULARY, PROMPT - 1))
        for _ in range(4 * PROMPTS)
    ]
    trainer = {"grpo": GRPO, "rloo": RLOO}[name.split()[1]](
        policy,
        FunctionReward(lambda texts: [float(len(t.split())) for t in texts], "words"),
        ROWS,
        NEW,
        kl_coefficient=0.04,
        learning_rate=1e-5,
        prompts=prompts,
        samples=SAMPLES,
        unfinished_reward=None,
    )
    import time

    seconds, phases = [], []
    for _ in range(steps):
        started = time.perf_counter()
        trainer.step()
        seconds.append(time.perf_counter() - started)
        phases.append(trainer.seconds)
    return {
        "seconds": float(np.median(seconds[2:])),
        "first": seconds[0],
        "phases": {k: float(np.median([p[k] for p in phases[2:]])) for k in phases[0]},
    }


if __name__ == "__main__":
    main()
