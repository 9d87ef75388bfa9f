"""Gold against proxy reward: proxies of several sizes, one model or an ensemble.

As Gao et al. (2022) do it. The gold reward stands on a pretrained backbone, MiniLM, and
has read all 23,703 rated texts: its head is the ridge regression on the backbone's
vectors, or name a model of your own with `--gold`. It answers comparisons of the
language model's own samples; proxies learn from 250, 1,000, 4,000 and all of these
answers. Then the samples are chosen (best of n), or the policy is trained (REINFORCE
without any KL penalty), against a proxy, and the gold reward is watched. Writes
`benchmarks/results/overoptimization.json` after each proxy; `--resume` leaves out those
that are there. `make bench-overoptimization` runs it, some twenty minutes on two cores.
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


def gold_model(batch=256):
    """MiniLM with the head that ridge regression gives it, and its r on other folds."""
    import keras
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import cross_val_predict

    from rmkeras.data import load_human_ratings
    from rmkeras.metrics import pearson
    from rmkeras.models import pretrained_reward_model

    parts = ("train", "validation", "test")
    records = [r for part in parts for r in load_human_ratings(part)]
    records.sort(key=lambda r: len(r.text))  # little padding
    model = pretrained_reward_model("minilm", max_length=64)
    vectors = []
    for first in range(0, len(records), batch):
        rows = model.encode([r.text for r in records[first : first + batch]])
        ids = keras.utils.pad_sequences(rows, padding="post")
        vectors.append(np.array(model.pooling(model.encoder(ids), mask=ids != 0)))
    vectors = np.concatenate(vectors)
    y = np.array([r.rating for r in records])
    ridge = RidgeCV(np.logspace(-2, 2, 9)).fit(vectors, y)
    model.head.kernel.assign(ridge.coef_[:, None])
    model.head.bias.assign([ridge.intercept_])
    order = np.random.default_rng(0).permutation(len(y))
    guess = cross_val_predict(RidgeCV(ridge.alpha_), vectors[order], y[order], cv=5)
    return model, float(pearson(guess, y[order]))


def comparisons(sampler, gold, count, seed):
    """Pairs of samples, the one that gold likes better first."""
    from rmkeras.data import Preference

    records = []
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


def proxies(records, sizes, members, policy):
    """Yields names and reward models: one a size, and ensembles of the second size."""
    from rmkeras.models import RewardEnsemble
    from rmkeras.models.preference_training import train_preference_model
    from rmkeras.rl import frozen_copy

    before = frozen_copy(policy)  # what proxies start from, as the policy does
    for size in sizes:
        found = []
        for seed in range(members if size == sizes[1] else 1):
            model, _ = train_preference_model(
                records[:size],
                model="transformer",
                tokenizer=policy.tokenizer,
                model_options={"language_model": before},
                epochs=3 if size < 4000 else 2,
                seed=seed,
                progress=False,
            )
            found.append(model)
        yield f"{size:,} comparisons", found[0]
        if len(found) > 1:
            for how in ("mean", "minimum"):
                name = f"{size:,} comparisons, {how} of {len(found)}"
                yield name, RewardEnsemble(found, how=how)


class Study:
    """What all proxies share: the policy, gold, held-out pairs and samples."""

    def __init__(self, policy, gold, sampler, arguments):
        self.policy, self.gold, self.sampler = policy, gold, sampler
        self.arguments = arguments
        self.start = policy.get_weights()
        pairs = comparisons(sampler, gold, max(arguments.sizes) + 500, seed=50)
        self.held_out, self.records = pairs[:500], pairs[500:]
        self.texts = [
            t.strip()
            for part in range(arguments.samples // 512)
            for t in sampler.texts(batch_size=512, seed=900 + part)
        ]
        self.golds = gold(self.texts)
        # Gold and proxies have scales of their own: both in deviations of the samples.
        self.base, self.spread = float(self.golds.mean()), float(self.golds.std())

    def __call__(self, name, model):
        """Best of n and a run of REINFORCE against one proxy."""
        from rmkeras.rewards import LearnedReward
        from rmkeras.rl import best_of_n_curve, best_of_n_kl

        scores = model.score(self.texts)
        by_gold = best_of_n_curve(scores, self.golds, NS)
        by_proxy = best_of_n_curve((scores - scores.mean()) / scores.std(), None, NS)
        chosen, rejected = (
            model.score([getattr(r, side) for r in self.held_out])
            for side in ("chosen", "rejected")
        )
        looks, rows = self.reinforce(LearnedReward(model).normalized(self.texts[:1024]))
        return {
            "name": name,
            "accuracy": float((chosen > rejected).mean()),
            "best_of_n": {
                "n": NS,
                "kl": [round(best_of_n_kl(n), 4) for n in NS],
                "gold": [round((g - self.base) / self.spread, 4) for g in by_gold],
                "proxy": [round(p, 4) for p in by_proxy],
            },
            "rl": looks,
            "last": [row["completion"] for row in rows[:5]],
        }

    def reinforce(self, reward):
        """REINFORCE without a leash, with looks from outside."""
        from rmkeras.rl import Look, Reinforce

        self.policy.set_weights(self.start)
        trainer = Reinforce(
            self.policy,
            reward,
            64,
            TOKENS,
            kl_coefficient=0.0,
            learning_rate=self.arguments.learning_rate,
            unfinished_reward=None,
        )
        look = Look(trainer, self.arguments.look, judge=self.gold)
        # One sampler for all proxies: each new one would be compiled anew.
        trainer.sampler = look.sampler = self.sampler
        looks = []
        for step in range(self.arguments.steps + 1):
            if step % self.arguments.every == 0:
                found, rows = look()
                now = {k: round(found[k], 4) for k in ("kl", "distinct2")}
                now |= {"step": step, "proxy": round(found["reward"], 4)}
                now["gold"] = round((found["judge"] - self.base) / self.spread, 4)
                looks.append(now)
            if step < self.arguments.steps:
                trainer.step()
        self.policy.set_weights(self.start)
        return looks, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="runs/demo", help="what the demo wrote")
    parser.add_argument("--gold", help="folder of the gold reward")
    parser.add_argument("--sizes", type=int, nargs="+", default=[250, 1000, 4000, 8000])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--every", type=int, default=3, help="steps between looks")
    parser.add_argument("--look", type=int, default=128, help="samples a look")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--samples", type=int, default=2048, help="of best of n")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    import_tensorflow()
    from rmkeras.models import load_model
    from rmkeras.rewards import LearnedReward
    from rmkeras.rl import Sampler

    policy = load_model(Path(arguments.models) / "language_model")
    if arguments.gold:
        model, about = load_model(arguments.gold), arguments.gold
    else:
        model, r = gold_model()
        about = {"model": "minilm", "pearson": round(r, 4)}
    results = {"gold": about, "runs": []}
    if arguments.resume and RESULTS.exists():
        results = json.loads(RESULTS.read_text("utf8"))
    gold = LearnedReward(model, "gold")
    study = Study(policy, gold, Sampler(policy, TOKENS), arguments)
    done = {run["name"] for run in results["runs"]}
    for name, proxy in proxies(
        study.records, arguments.sizes, arguments.members, policy
    ):
        if name in done:
            continue
        run = study(name, proxy)
        results["runs"].append(run)
        best, last = max(run["rl"], key=lambda x: x["gold"]), run["rl"][-1]
        print(
            f"{name:32s} accuracy {run['accuracy']:.3f}; gold at most "
            f"{best['gold']:.2f} at KL {best['kl']:.1f}, at the end "
            f"{last['gold']:.2f} at {last['kl']:.1f}; "
            f"best of 256: {run['best_of_n']['gold'][-1]:.2f}",
            flush=True,
        )
        RESULTS.write_text(json.dumps(results) + "\n", "utf8")


if __name__ == "__main__":
    main()
