"""Reward models on MiniLM: human ratings, and comparisons where they are at hand.

The ratings: Pearson r on the test part, trained on the other 80 %; with `--members 3`
also of three models together that differ by their seed: of the mean of their scores,
and of the one model that has the mean of their weights. With `--out DIR` the models are
kept there, and those that are there are not trained again. Comparisons:
pass a folder with NAME.train.jsonl.gz and NAME.valid.jsonl.gz; beside MiniLM stands
its ensemble with counts of words and pairs (`--model minilm,ngrams`). Writes
`benchmarks/results/pretrained.json`; `make bench-pretrained` runs it. On two slow cores a
member takes 40 minutes; `--precision mixed_bfloat16` is faster where the processor
multiplies in it, and what README says of comparisons was measured in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from rmkeras._cli_training import set_precision
from rmkeras.quiet import import_tensorflow

RESULTS = Path(__file__).parent / "results" / "pretrained.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", action="store_true")
    parser.add_argument("--pairs", metavar="PREFIX", action="append", default=[])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--folds", type=int, default=0, help="k-fold over both parts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--members", type=int, default=1, help="seeds, for ratings")
    parser.add_argument("--out", type=Path, help="folder for the ratings' models")
    parser.add_argument("--precision", default="float32")
    arguments = parser.parse_args()
    _, keras = import_tensorflow()
    set_precision(keras, arguments.precision, print)
    results = {}
    if RESULTS.exists():
        results = json.loads(RESULTS.read_text("utf8"))
    if arguments.ratings:
        results["human_ratings"] = ratings(arguments)
        save(results)
    for prefix in arguments.pairs:
        name = Path(prefix).name + ("_folds" if arguments.folds else "")
        results[name] = pairs(prefix, arguments)
        save(results)


def save(results):
    RESULTS.parent.mkdir(exist_ok=True)
    # Half an hour of training must not be lost to a number of NumPy's.
    text = json.dumps(results, indent=1, default=lambda x: np.asarray(x).tolist())
    RESULTS.write_text(text + "\n", "utf8")
    print(text)


def ratings(arguments):
    from rmkeras.data import load_human_ratings
    from rmkeras.metrics import per_domain_pearson
    from rmkeras.models import average_weights

    train = load_human_ratings("train") + load_human_ratings("validation")
    test = load_human_ratings("test")
    texts = [r.text for r in test]
    models, scores, seconds = [], [], []
    for seed in range(arguments.seed, arguments.seed + arguments.members):
        model, history = rating_model(train, seed, arguments)
        models.append(model)
        scores.append(np.asarray(model.score(texts)))
        seconds.append(round(history["seconds"]))
        print(f"seed {seed}:", per_domain_pearson(scores[-1], test), flush=True)
    found = {
        "pearson": per_domain_pearson(scores[0], test),
        "epochs": len(history["loss"]),
        "seed": arguments.seed,
        "precision": models[0].encoder.dtype_policy.name,
        "seconds": seconds,
    }
    if len(models) == 1:
        return found
    one = average_weights(models).score(texts)
    return found | {
        "members": [per_domain_pearson(s, test) for s in scores],
        "mean_of_members": {
            domain: float(
                np.mean([per_domain_pearson(s, test)[domain] for s in scores])
            )
            for domain in found["pearson"]
        },
        "ensemble": per_domain_pearson(np.mean(scores, axis=0), test),
        "average_weights": per_domain_pearson(one, test),
    }


def rating_model(records, seed, arguments):
    from rmkeras.models.reward_training import train_reward_model
    from rmkeras.models.training import saved_state

    out = arguments.out and arguments.out / f"seed-{seed}"
    return train_reward_model(
        records,
        model="minilm",
        loss="mse",
        epochs=arguments.epochs,
        seed=seed,
        initial_seed=0,  # All begin with one head, or their weights have no mean.
        progress=False,
        model_options={"max_length": 128},
        out=out,
        resume=out is not None and saved_state(out) is not None,
    )


def pairs(prefix, arguments):
    from rmkeras.data.usable import usable_records
    from rmkeras.evaluate.folds import cross_validate_pairs, tfidf_logistic_pairs
    from rmkeras.models import RewardEnsemble
    from rmkeras.models.preference_training import train_preference_model
    from rmkeras.models.pretrained import load_pretrained

    def say(line):
        print(line, file=sys.stderr)

    train, valid = (
        usable_records(f"{prefix}.{part}.jsonl.gz", say)[1]
        for part in ("train", "valid")
    )
    epochs = arguments.epochs or 1

    def fit(records, **how):
        return train_preference_model(
            records,
            seed=arguments.seed,
            say=say,
            progress=False,
            model_options={"max_length": arguments.max_length},
            **{"model": "minilm", "epochs": epochs, **how},
        )[0]

    words = {"model": "ngrams", "epochs": None}
    started = time.monotonic()
    settings = {
        "epochs": epochs,
        "max_length": arguments.max_length,
        "seed": arguments.seed,
        "precision": arguments.precision,
    }
    if arguments.folds:
        found = cross_validate_pairs(fit, train + valid, folds=arguments.folds)
        words["tokenizer"] = load_pretrained("minilm")[1]
        counts = cross_validate_pairs(
            lambda records: fit(records, **words), train + valid, arguments.folds
        )
        seconds = round(time.monotonic() - started)
        found |= linear_folds(train + valid, arguments.folds, found, counts)
        return found | settings | {"seconds": seconds}
    model = fit(train)
    seconds = round(time.monotonic() - started)
    counts = fit(train, tokenizer=model.tokenizer, **words)
    both = RewardEnsemble([model, counts])
    found = {
        **without_lists(model, valid),
        "ngrams": without_lists(counts, valid),
        "with_ngrams": without_lists(both, valid),
    }
    linear = tfidf_logistic_pairs(train, valid)
    baseline = {"tfidf_logistic": float((linear > 0).mean())}
    return found | settings | baseline | {"seconds": seconds}


def without_lists(model, valid):
    """What `evaluate` finds, without what is there for its figures."""
    from rmkeras.evaluate.pairs import evaluate_pairs

    return {
        key: value
        for key, value in evaluate_pairs(model, valid).items()
        if key not in ("points", "most_wrong", "type", "reliability")
        and not (hasattr(value, "__len__") and len(value) > 20)
    }


def linear_folds(records, folds, found, counts):
    """TF-IDF with logistic regression on the same folds, and what is ahead of it.

    An ensemble's margin is the mean of its members', so what both reach together is
    known from the folds of each.
    """
    from rmkeras.evaluate.folds import cross_validate_pairs, fit_tfidf_pairs

    linear = cross_validate_pairs(fit_tfidf_pairs, records, folds=folds)
    ours, words, theirs = (np.asarray(x["margins"]) for x in (found, counts, linear))

    def ahead(margins):
        difference = (margins > 0).astype(float) - (theirs > 0)
        error = difference.std() / np.sqrt(len(difference))
        return {
            "ahead_of_tfidf": float(difference.mean()),
            "standard_error": float(error),
        }

    both = ours + words
    return {
        "tfidf_logistic": linear["pairwise_accuracy"],
        **ahead(ours),
        "ngrams": {"pairwise_accuracy": counts["pairwise_accuracy"]},
        "with_ngrams": {
            "pairwise_accuracy": float((both > 0).mean()),
            **ahead(both),
        },
    }


if __name__ == "__main__":
    main()
