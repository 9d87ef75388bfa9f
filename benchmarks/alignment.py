"""All methods against one learned reward, judged by people it never heard.

Takes the models that `rmkeras demo` trained: a language model, the reward model that
started from it, and a judge trained on other raters' texts. Every method runs until
the KL from the language model is spent, three seeds each; best of n has the KL of its
formula. Prints the README's table and writes `benchmarks/results/alignment.json`.
`make bench-align` runs it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from rmkeras.quiet import import_tensorflow

RESULTS = Path(__file__).parent / "results" / "alignment.json"
BATCH, TOKENS = 64, 32
# Rates at which each method spends the budget in some 20 to 60 steps.
METHODS = {
    "reinforce": {"learning_rate": 5e-4},
    "reinforce, no baseline": {"baseline": "none", "learning_rate": 5e-4},
    "reinforce, learned baseline": {"baseline": "learned", "learning_rate": 5e-4},
    "rloo": {"samples": 8, "learning_rate": 5e-4},
    "grpo": {"samples": 8, "learning_rate": 5e-4},
    "ppo": {"learning_rate": 1.5e-4},
    "q-learning": {"learning_rate": 3e-4},
    "dpo": {"samples": 8, "learning_rate": 3e-4},
    "rejection-sampling": {"samples": 8, "learning_rate": 5e-4},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="runs/demo", help="what the demo wrote")
    parser.add_argument("--budget", type=float, default=6.0, help="KL in nats")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=80, help="at most")
    parser.add_argument("--look", type=int, default=256, help="samples to judge")
    parser.add_argument("--only", nargs="*", help="methods to run")
    parser.add_argument("--table", action="store_true", help="print what is known")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(json.loads(RESULTS.read_text("utf8"))))
        return
    import_tensorflow()
    from rmkeras.models import load_model
    from rmkeras.rewards import LearnedReward

    folder = Path(arguments.models)
    policy, reward, judge = (
        load_model(folder / name) for name in ("language_model", "transformer", "judge")
    )
    reward, judge = LearnedReward(reward), LearnedReward(judge, "judge")
    results = {"budget": arguments.budget, "look": arguments.look, "methods": {}}
    if arguments.only and RESULTS.exists():
        results = json.loads(RESULTS.read_text("utf8"))
    start = policy.get_weights()
    for name in arguments.only or [*METHODS, "best of 64"]:
        runs = []
        for seed in range(arguments.seeds):
            policy.set_weights(start)
            if name == "best of 64":
                runs.append(best_of_n(policy, reward, judge, 64, seed))
            else:
                runs.append(one_run(name, policy, reward, judge, seed, arguments))
            print(name, seed, runs[-1]["after"], flush=True)
        results["methods"][name] = runs
        RESULTS.write_text(json.dumps(results) + "\n", "utf8")
    print(table(results))


def one_run(name, policy, reward, judge, seed, arguments):
    """One method, one seed: numbers before and after, and the way there."""
    from rmkeras.rl import ALGORITHMS, Look, align

    kind, defaults = ALGORITHMS[name.split(",")[0]]
    options = {**defaults, "kl_coefficient": 0.1, **METHODS[name]}
    # Texts begin anew, so the prompts of a group are all empty.
    prompts = [""] * (BATCH // options["samples"]) if "samples" in options else None
    trainer = kind(policy, reward, BATCH, TOKENS, seed=seed, prompts=prompts, **options)
    look = Look(trainer, arguments.look, judge=judge)
    run = align(
        trainer,
        arguments.steps,
        look,
        every=10,
        kl_budget=arguments.budget,
        progress=False,
    )
    steps = [
        {k: round(s[k], 4) for k in ("reward", "kl", "beta")} for s in run["steps"]
    ]
    return {
        "before": run["looks"][0],
        "after": run["looks"][-1],
        "looks": run["looks"],
        "steps": steps,
        "seconds": round(run["seconds"], 1),
        "stopped_by": run["stopped_by"],
    }


def best_of_n(policy, reward, judge, n, seed):
    """The same numbers for the best of n, whose KL is known."""
    from rmkeras.metrics import distinct_n
    from rmkeras.rl import BestOfN, Sampler, best_of_n_kl

    started = time.monotonic()
    best = BestOfN(Sampler(policy, TOKENS), reward, n)
    texts, scores, everything = [], [], []
    for part in range(8):  # 8 × 32 texts, each the best of n
        found = best([""] * 32, seed=1000 * seed + part)
        texts += found[0]
        scores += found[1].tolist()
        everything += found[2].mean(axis=1).tolist()
    after = {
        "reward": float(np.mean(scores)),
        "kl": best_of_n_kl(n),
        "distinct2": distinct_n(texts, 2),
        "judge": float(judge(texts).mean()),
    }
    before = {"reward": float(np.mean(everything))}
    seconds = round(time.monotonic() - started, 1)
    return {"before": before, "after": after, "seconds": seconds, "looks": []}


def at(run, kl, key):
    """A number of one run at a KL, drawn straight in √KL between two looks."""
    if not run["looks"]:  # best of n has one KL
        near = abs(run["after"]["kl"] - kl) < 0.01
        return run["after"][key] if near else None
    distance = [np.sqrt(max(look["kl"], 0)) for look in run["looks"]]
    reached = np.maximum.accumulate(distance)
    if reached[-1] < np.sqrt(kl):
        return None
    return float(np.interp(np.sqrt(kl), reached, [x[key] for x in run["looks"]]))


def table(results):
    """The README's table: means of the seeds ± their standard deviation."""
    from rmkeras.rl import best_of_n_kl

    small, large = best_of_n_kl(64), results["budget"]
    lines = [
        f"| method | judge at KL {small:.1f} | judge at KL {large:g} | reward at KL "
        f"{large:g} | at the end: KL | judge | distinct-2 | steps | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    runs = results["methods"]
    first = next(r[0]["before"] for r in runs.values() if "judge" in r[0]["before"])
    lines.append(
        f"| the language model (KL 0) | {first['judge']:+.2f} | {first['judge']:+.2f} "
        f"| {first['reward']:+.2f} | 0 | {first['judge']:+.2f} | "
        f"{first['distinct2']:.2f} | | |"
    )
    for name, each in runs.items():
        cells = [
            spread([at(r, kl, key) for r in each])
            for kl, key in ((small, "judge"), (large, "judge"), (large, "reward"))
        ]
        cells.append(f"{np.mean([r['after']['kl'] for r in each]):.1f}")
        cells.append(spread([r["after"]["judge"] for r in each]))
        cells.append(f"{np.mean([r['after']['distinct2'] for r in each]):.2f}")
        steps = [len(r["steps"]) for r in each if "steps" in r]
        cells.append(f"{np.mean(steps):.0f}" if steps else "")
        cells.append(f"{np.mean([r['seconds'] for r in each]):.0f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(values):
    """Mean ± standard deviation, or nothing where a run did not get so far."""
    if any(value is None for value in values):
        return ""
    error = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):+.2f}{error}"


if __name__ == "__main__":
    main()
