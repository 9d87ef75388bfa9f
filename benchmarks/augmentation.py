"""What text augmentation brings: an LSTM reward model on few human ratings.

The same 2,000 ratings and the same epochs without augmentation, with token dropout,
with swaps of neighbouring tokens, with both, and with a changed copy of each text by
KerasHub's word layers. Pearson r on the test part, mean of the four domains, three
seeds. Writes `benchmarks/results/augmentation.json`; `make bench-augmentation` runs
it; about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from rmkeras.quiet import import_tensorflow

RESULTS = Path(__file__).parent / "results" / "augmentation.json"
RATE = 0.1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    import_tensorflow()

    from rmkeras.data import load_human_ratings

    test = load_human_ratings("test")
    whole = load_human_ratings("train")
    few = np.random.default_rng(0).permutation(len(whole))[: arguments.texts]
    train = [whole[i] for i in few]
    found = {}
    for name in SETTINGS:
        runs = [
            fit(name, train, test, seed, arguments.epochs)
            for seed in range(arguments.seeds)
        ]
        found[name] = {"mean": float(np.mean(runs)), "std": float(np.std(runs))}
        print(f"{name:24s} {found[name]['mean']:.3f} ± {found[name]['std']:.3f}")
    results = {**vars(arguments), "rate": RATE, "pearson": found}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")


SETTINGS = {
    "none": {"token_dropout": 0.0},
    "token dropout": {"token_dropout": RATE},
    "swaps": {"token_dropout": 0.0, "swap": True},
    "token dropout and swaps": {"token_dropout": RATE, "swap": True},
    "KerasHub words": {"token_dropout": 0.0, "words": True},
}


def fit(name, train, test, seed, epochs):
    from rmkeras.layers import TokenSwap
    from rmkeras.metrics import per_domain_pearson
    from rmkeras.models.reward_training import train_reward_model

    setting = SETTINGS[name]
    options = {"token_dropout": setting["token_dropout"]}
    if setting.get("swap"):
        options["augment"] = TokenSwap(RATE, seed=seed)
    if setting.get("words"):
        train = train + changed(train, seed)
        epochs = epochs // 2  # As many updates as the others.
    model, _ = train_reward_model(
        train,
        model="lstm",
        seed=seed,
        epochs=epochs,
        progress=False,
        model_options=options,
    )
    scores = model.score([r.text for r in test])
    return float(np.mean(list(per_domain_pearson(scores, test).values())))


def changed(records, seed):
    """A copy of each text in which words are left out and change places."""
    import keras_hub

    drop = keras_hub.layers.RandomDeletion(RATE, max_deletions=4, seed=seed)
    swap = keras_hub.layers.RandomSwap(RATE, max_swaps=4, seed=seed)
    copies = []
    for record in records:
        words = swap(drop(record.text.split()))
        copies.append(dataclasses.replace(record, text=" ".join(words)))
    return copies


if __name__ == "__main__":
    main()
