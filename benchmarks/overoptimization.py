"""Gold against proxy reward: proxies of several sizes, one model or an ensemble.

As Gao et al. (2022) do it: the gold reward is a model trained on people's ratings of
all the data. It answers comparisons of the language model's own samples; proxies learn
from 250, 1,000 and 4,000 of these answers. Then the samples are chosen (best of n), or
the policy is trained (REINFORCE without any KL penalty), against a proxy, and the gold
reward is watched. Writes `benchmarks/results/overoptimization.json`; `make
bench-overoptimization` runs it, some twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from rmkeras.quiet import import_tensorflow

RESULTS = Path(__file__).parent / "results" / "overoptimization.json"
NS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = 32


def comparisons(policy, gold, count, seed):
    """Pairs of samples, the one that gold likes better first."""
    from rmkeras.data import Preference
    from rmkeras.rl import Sampler

    sampler, records = Sampler(policy, TOKENS), []
    while len(records) < count:
        texts = sampler.texts(batch_size=512, seed=seed)
        seed += 1
        texts = [t.strip() for t in texts]
        scores = gold(texts)
        for i in range(0, 512, 2):
            a, b = (i, i + 1) if scores[i] > scores[i + 1] else (i + 1, i)
            if texts[a] and texts[b] and texts[a] != texts[b]:
                records.append(
                    Preference(prompt="", chosen=texts[a], rejected=texts[b])
                )
    return records[:count]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="runs/demo", help="what the demo wrote")
    parser.add_argument("--gold", default="lstm", help="folder of the gold reward")
    parser.add_argument("--sizes", type=int, nargs="+", default=[250, 1000, 4000])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--samples", type=int, default=4096, help="of best of n")
    arguments = parser.parse_args()
    import_tensorflow()
    from rmkeras.models import RewardEnsemble, load_model
    from rmkeras.models.preference_training import train_preference_model
    from rmkeras.rewards import LearnedReward
    from rmkeras.rl import (
        Look,
        Reinforce,
        Sampler,
        best_of_n_curve,
        best_of_n_kl,
        frozen_copy,
    )

    folder = Path(arguments.models)
    policy = load_model(folder / "language_model")
    gold = LearnedReward(load_model(folder / arguments.gold), "gold")
    records = comparisons(policy, gold, max(arguments.sizes) + 500, seed=50)
    held_out, records = records[:500], records[500:]
    texts = [
        t.strip()
        for part in range(arguments.samples // 512)
        for t in Sampler(policy, TOKENS).texts(batch_size=512, seed=900 + part)
    ]
    golds = gold(texts)
    start, results = policy.get_weights(), {"runs": []}
    before = frozen_copy(policy)  # what proxies start from, as the policy does
    # Gold and proxies have scales of their own: both in deviations of the samples.
    base, spread = float(golds.mean()), float(golds.std())

    def proxies():
        for size in arguments.sizes:
            members = []
            for seed in range(arguments.members):
                model, _ = train_preference_model(
                    records[:size],
                    model="transformer",
                    tokenizer=policy.tokenizer,
                    model_options={"language_model": before},
                    epochs=3,
                    seed=seed,
                    progress=False,
                )
                members.append(model)
                if size != arguments.sizes[1]:
                    break  # An ensemble of one size is enough.
            yield f"{size:,} comparisons", members[0]
            if len(members) > 1:
                for how in ("mean", "minimum"):
                    name = f"{size:,} comparisons, {how} of {len(members)}"
                    yield name, RewardEnsemble(members, how=how)

    for name, model in proxies():
        scores = model.score(texts)
        reward = LearnedReward(model).normalized(texts[:1024])
        pairs = np.array(
            [
                model.score([r.chosen for r in held_out]),
                model.score([r.rejected for r in held_out]),
            ]
        )
        chosen = best_of_n_curve(scores, golds, NS)
        by_proxy = best_of_n_curve((scores - scores.mean()) / scores.std(), None, NS)
        policy.set_weights(start)
        trainer = Reinforce(
            policy,
            reward,
            64,
            TOKENS,
            kl_coefficient=0.0,
            learning_rate=1e-3,
            unfinished_reward=None,
        )
        look, looks = Look(trainer, 256, judge=gold), []
        for step in range(arguments.steps + 1):
            if step % 4 == 0:
                found, rows = look()
                looks.append(
                    {
                        "step": step,
                        "kl": found["kl"],
                        "proxy": found["reward"],
                        "gold": (found["judge"] - base) / spread,
                        "distinct2": found["distinct2"],
                    }
                )
            if step < arguments.steps:
                trainer.step()
        results["runs"].append(
            {
                "name": name,
                "accuracy": float((pairs[0] > pairs[1]).mean()),
                "best_of_n": {
                    "n": NS,
                    "kl": [best_of_n_kl(n) for n in NS],
                    "gold": [(g - base) / spread for g in chosen],
                    "proxy": by_proxy,
                },
                "rl": looks,
                "last": [row["completion"] for row in rows[:5]],
            }
        )
        best = max(looks, key=lambda x: x["gold"])
        print(
            f"{name:32s} accuracy {results['runs'][-1]['accuracy']:.3f}; gold at most "
            f"{best['gold']:.2f} at KL {best['kl']:.1f}, at the end "
            f"{looks[-1]['gold']:.2f} at {looks[-1]['kl']:.1f}; "
            f"best of 256: {results['runs'][-1]['best_of_n']['gold'][-1]:.2f}",
            flush=True,
        )
        RESULTS.write_text(json.dumps(results) + "\n", "utf8")


if __name__ == "__main__":
    main()
