"""Raters and comparisons out of the human ratings' single judgements.

Two questions. Does the rater model beat the plain mean when 30 % of the raters
click at random? (Film reviews, real people, judged by people who did not
annotate.) How many comparisons does an active order save? (Tweets; a person who
compares is drawn from the single ratings; accuracy on pairs of test texts.)
Prints tables and writes `benchmarks/results/active_comparisons.json`, which README
and notebook 15 read. `--features minilm` takes frozen MiniLM vectors, `tfidf` a
control without pretraining.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # Small matrices.

import numpy as np

from rmkeras.data import load_human_ratings
from rmkeras.feedback.active import choose_pairs
from rmkeras.feedback.linear import LinearBradleyTerry
from rmkeras.feedback.rating_raters import rating_raters
from rmkeras.feedback.simulate import film_crews, simulated_answers, with_clickers

RESULTS = Path(__file__).parent / "results" / "active_comparisons.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--seeds", type=int, default=5)
    add("--features", nargs="+", default=["minilm", "tfidf"])
    add("--dim", type=int, default=48, help="principal components of the features")
    add("--labels", type=int, default=800)
    add("--start", type=int, default=50)
    add("--batch", type=int, default=25)
    add("--pool", type=int, default=20_000, help="pairs to choose from")
    add("--scale", type=float, default=3.0)
    add("--rules", nargs="+", default=["bald", "variance", "margin"])
    args = parser.parse_args()
    begun = time.process_time()
    found = {"raters": raters(args), "order": {}, "settings": vars(args)}
    train = load_human_ratings("train+validation", "tweets")
    test = load_human_ratings("test", "tweets")
    for name in args.features:
        x = components(FEATURES[name]([r.text for r in train + test]), args.dim)
        found["order"][name] = order(train, test, x, args, name)
    found["processor_seconds"] = round(time.process_time() - begun)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def raters(args):
    crews = film_crews()
    rows = []
    print("annotators  clickers  mean   model  without clickers")
    for annotators in (5, 7, 10):
        for share in (0.0, 0.3):
            each = []
            for seed in range(args.seeds):
                data = with_clickers(crews, annotators, share, seed)
                each.append(compare_labels(data))
            row = {"annotators": annotators, "share": share}
            row |= {k: [e[k] for e in each] for k in each[0]}
            rows.append(row)
            told = [np.mean(row[k]) for k in ("mean", "model", "honest")]
            print(f"{annotators:10} {share:9.0%}", *(f"{v:.4f}" for v in told))
    return rows


def compare_labels(data):
    item, rater, rating = data["item"], data["rater"], data["rating"]
    fit = rating_raters(item, rater, rating)
    honest = ~data["clicker"][rater]
    some = np.bincount(item[honest], minlength=len(data["judged"])) > 0
    counted = np.maximum(np.bincount(item[honest], minlength=len(some)), 1)
    kept = np.bincount(item[honest], rating[honest], minlength=len(some)) / counted

    def r(label, where=slice(None)):
        return round(float(np.corrcoef(label[where], data["judged"][where])[0, 1]), 4)

    plain = np.bincount(item, rating) / np.bincount(item)
    return {"mean": r(plain), "model": r(fit.quality), "honest": r(kept, some)}


def minilm(texts):
    from rmkeras.quiet import import_tensorflow

    import_tensorflow()
    from rmkeras.models.pretrained import pretrained_reward_model

    model = pretrained_reward_model("minilm", max_length=64)
    return hidden(model, texts)


def hidden(model, texts, batch=64):
    """What the reward head sees of each text: the encoder's pooled output."""
    from keras import ops

    rows = model.encode(texts)
    order = np.argsort([len(r) for r in rows])
    found = np.zeros((len(texts), 384), "float32")
    for start in range(0, len(rows), batch):
        index = order[start : start + batch]
        width = max(len(rows[i]) for i in index)
        ids = np.array([rows[i] + [0] * (width - len(rows[i])) for i in index], "int32")
        h = model.pooling(model.encoder(ids), mask=ops.not_equal(ids, 0))
        found[index] = ops.convert_to_numpy(h)
    return found


def tfidf(texts):
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit_transform(texts)  # fmt: skip


FEATURES = {"minilm": minilm, "tfidf": tfidf}


def components(x, dim):
    """The first principal components, all together of length 1 on average."""
    from sklearn.decomposition import TruncatedSVD

    z = TruncatedSVD(dim, random_state=0).fit_transform(x - x.mean(axis=0) if isinstance(x, np.ndarray) else x)  # fmt: skip
    z = z - z.mean(axis=0)
    return z / np.sqrt((z**2).sum(axis=1).mean())


def order(train, test, x, args, name):
    known, new = x[: len(train)], x[len(train) :]
    mean = np.array([r.rating for r in test])
    pairs = np.random.default_rng(0).integers(len(test), size=(6000, 2))
    pairs = pairs[np.abs(np.subtract(*mean[pairs].T)) > 0]
    asked = new[pairs[:, 0]] - new[pairs[:, 1]]
    truth = np.sign(np.subtract(*mean[pairs].T))
    curves = {}
    for rule in ("random", *args.rules):
        each = [curve(train, known, asked, truth, rule, s, args) for s in range(args.seeds)]  # fmt: skip
        curves[rule] = {str(n): [round(e[n], 4) for e in each] for n in each[0]}
    final = np.mean(curves["random"][str(args.labels)])
    print(f"{name}: random order, {args.labels} labels: {final:.4f}")
    reached = {}
    for rule in args.rules:
        enough = [int(n) for n, a in curves[rule].items() if np.mean(a) >= final]
        reached[rule] = min(enough, default=None)
        last = np.mean(curves[rule][str(args.labels)])
        share = f"{reached[rule] / args.labels:.0%}" if enough else "never"
        print(f"  {rule:9} ends at {last:.4f}; reaches random's end with {share}")
    return {
        "curves": curves,
        "random_final": round(float(final), 4),
        "reached": reached,
    }


def curve(train, known, asked, truth, rule, seed, args):
    """Accuracy on test pairs by the number of labels."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(len(train), size=(args.pool, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    said = simulated_answers(train, pairs, seed)
    x = known[pairs[:, 0]] - known[pairs[:, 1]]
    order = list(range(args.start))
    model = LinearBradleyTerry(args.scale, 20, seed)
    accuracy = {}
    while True:
        model.fit(x[order], said[order])
        accuracy[len(order)] = float(np.mean(np.sign(asked @ model.weights) == truth))
        if len(order) >= args.labels:
            return accuracy
        left = np.setdiff1d(np.arange(len(x)), order)
        batch = min(args.batch, args.labels - len(order))
        margins = model.margins(x[left])
        order += left[choose_pairs(margins, batch, rule, x[left], 4, seed)].tolist()


if __name__ == "__main__":
    sys.exit(main())
