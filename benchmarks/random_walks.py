"""Random walks: how near each method comes to the known optimum, five seeds.

Cloning of all walks, cloning of the best fifth, offline Q-learning (ILQL), and every
online method from the cloned model. Writes `benchmarks/results/random_walks.json`;
`make bench-walks` runs it, some fifteen minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from rmkeras.quiet import import_tensorflow

RESULTS = Path(__file__).parent / "results" / "random_walks.json"
SHAPE = {"dim": 64, "num_layers": 2, "num_heads": 4, "max_length": 16}
ONLINE = {
    "reinforce": {"learning_rate": 2e-3},
    "rloo": {"learning_rate": 2e-3, "samples": 8},
    "grpo": {"learning_rate": 2e-3, "samples": 8},
    "ppo": {"learning_rate": 3e-4},
    "q-learning": {"learning_rate": 1e-3, "kl_coefficient": 0.05},
    "dpo": {"learning_rate": 1e-3, "samples": 8, "kl_coefficient": 0.05},
    "rejection-sampling": {"learning_rate": 2e-3, "samples": 8},
}
BATCH, LONGEST = 160, 10


def optimality(model, world, samples=20):
    """Mean optimality of plain samples from every start."""
    from rmkeras.rl import Sampler

    rows = model.encode_prompts(world.starts())
    texts = Sampler(model, LONGEST).texts(rows, samples=samples, seed=9)
    prompts = [start for start in world.starts() for _ in range(samples)]
    return float(world.reward(texts, prompts).mean())


def clone(world, walks, seed, epochs):
    """A language model of walks."""
    from rmkeras.models.language_model import train_language_model

    model, _ = train_language_model(
        walks,
        tokenizer=world.tokenizer(),
        epochs=epochs,
        batch_size=64,
        learning_rate=3e-3,
        seed=seed,
        progress=False,
        **SHAPE,
    )
    return model


def offline(world, seed):
    """ILQL on all walks."""
    import keras

    from rmkeras.rl import ILQLModel, train_ilql

    keras.utils.set_random_seed(seed)
    model = ILQLModel(world.tokenizer(), sharpness=32.0, **SHAPE)
    worth = world.optimality(world.walks)
    train_ilql(model, world.walks, worth, steps=600, prompt_tokens=2, seed=seed)
    return model


def online(name, world, model, seed, steps):
    """One online method; returns its curve, a batch's optimality a step."""
    from rmkeras.rewards import FunctionReward
    from rmkeras.rl import ALGORITHMS

    kind, defaults = ALGORITHMS[name]
    trainer = kind(
        model,
        FunctionReward(world.reward, "optimality"),
        BATCH,
        LONGEST,
        prompts=world.starts(),
        unfinished_reward=0.0,
        seed=seed,
        **{**defaults, "kl_coefficient": 0.01, **ONLINE[name]},
    )
    return [trainer.step()["reward"] for _ in range(steps)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--only", nargs="*", help="online methods to run")
    arguments = parser.parse_args()
    import_tensorflow()
    from rmkeras.rl import RandomWalks

    world = RandomWalks()
    worth = world.optimality(world.walks)
    results = {"corpus": float(worth.mean()), "seeds": arguments.seeds, "methods": {}}

    def note(name, model, started, curve=()):
        seconds = round(time.monotonic() - started, 1)
        found = {"optimality": optimality(model, world), "seconds": seconds}
        found["curve"] = [round(x, 4) for x in curve]
        results["methods"].setdefault(name, []).append(found)
        print(f"{name:20s} {found['optimality']:.3f}  {seconds:6.1f} s", flush=True)
        RESULTS.write_text(json.dumps(results) + "\n", "utf8")

    best = [w for w, x in zip(world.walks, worth, strict=True)]
    best = [best[i] for i in np.argsort(-worth, kind="stable")[: len(best) // 5]]
    for seed in range(arguments.seeds):
        started = time.monotonic()
        model = clone(world, world.walks, seed, 8)
        note("cloning", model, started)
        started = time.monotonic()
        note("cloning the best fifth", clone(world, best, seed, 40), started)
        started = time.monotonic()
        note("ilql", offline(world, seed), started)
        start = model.get_weights()
        for name in arguments.only or ONLINE:
            model.set_weights(start)
            started = time.monotonic()
            curve = online(name, world, model, seed, arguments.steps)
            note(name, model, started, curve)
    print("\n| method | optimality | seconds |\n| --- | --- | --- |")
    print(f"| the walks | {results['corpus']:.3f} | |")
    for name, runs in results["methods"].items():
        values = [r["optimality"] for r in runs]
        print(
            f"| {name} | {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f} | "
            f"{np.mean([r['seconds'] for r in runs]):.0f} |"
        )


if __name__ == "__main__":
    main()
