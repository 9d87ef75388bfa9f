"""Sentiment of film reviews: IMDB where it is prepared, else NLTK's movie_reviews.

Whether a review is positive, by the pretrained backbone, trained with binary
cross-entropy, and by TF-IDF with logistic regression on the same split. IMDB keeps
its own split; the 2,000 reviews of `movie_reviews` (Pang and Lee 2004) are split by
the hash of their names, 80 and 20 %. On IMDB the LSTM and the one-block Transformer
run too. Nothing is downloaded: `python -m nltk.downloader movie_reviews` or
`tfds build imdb_reviews` bring the texts. Writes `benchmarks/results/sentiment.json`;
`make bench-sentiment` runs it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np

from rmkeras._cli_training import set_precision
from rmkeras.quiet import import_tensorflow

RESULTS = Path(__file__).parent / "results" / "sentiment.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="minilm")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", default="mixed_bfloat16")
    arguments = parser.parse_args()
    _, keras = import_tensorflow()
    set_precision(keras, arguments.precision, print)
    name, train, test = imdb() or movie_reviews()
    results = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    found = results.setdefault(name, {"train": len(train), "test": len(test)})
    found["tfidf_logistic"] = tfidf(train, test)
    print(f"{name}: TF-IDF + logistic regression {found['tfidf_logistic']}")
    for model in arguments.models.split(","):
        found[model] = fit(model, train, test, arguments)
        print(f"{name}: {model} {found[model]}")
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")


def imdb():
    """Name, training and test texts, or `None` where TFDS has not prepared them."""
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder("imdb_reviews", try_gcs=False)
    except Exception:  # No code, no folder: the same to us.
        return None
    if not Path(builder.data_dir).exists():
        return None
    parts = []
    for split in ("train", "test"):
        rows = tfds.as_numpy(builder.as_dataset(split=split))
        parts.append([(r["text"].decode("utf8"), int(r["label"])) for r in rows])
    return "imdb", *parts


def movie_reviews():
    """The reviews of NLTK, split by the hash of their names."""
    try:
        from nltk.corpus import movie_reviews as corpus

        names = corpus.fileids()
    except LookupError:
        sys.exit(
            "neither imdb_reviews nor movie_reviews is there; get the second with: "
            "python -m nltk.downloader movie_reviews"
        )
    names.sort(key=lambda n: hashlib.sha256(n.encode()).hexdigest())
    rows = [(corpus.raw(n), int(n.startswith("pos"))) for n in names]
    cut = int(0.8 * len(rows))
    return "movie_reviews", rows[:cut], rows[cut:]


def tfidf(train, test):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        LogisticRegression(C=30.0, max_iter=1000),
    )
    model.fit(*zip(*train, strict=True))
    return scores(model.predict_proba([t for t, _ in test])[:, 1], test)


def fit(name, train, test, arguments):
    from rmkeras.data.records import Rating
    from rmkeras.models.reward_training import train_reward_model

    started = time.monotonic()
    options = {"max_length": arguments.max_length}
    if name == "minilm":
        # A review says at its end what it thinks.
        options["cut"] = "beginning"
    model, _ = train_reward_model(
        [Rating(text=t, rating=float(y)) for t, y in train],
        model=name,
        loss="bce",
        threshold=0.5,
        epochs=arguments.epochs,
        batch_size=16 if name == "minilm" else None,
        seed=arguments.seed,
        progress=False,
        model_options=options,
    )
    found = scores(model.score([t for t, _ in test], batch_size=32), test)
    return found | {
        "epochs": arguments.epochs,
        "seed": arguments.seed,
        "seconds": round(time.monotonic() - started),
    }


def scores(probabilities, test):
    from sklearn.metrics import accuracy_score, f1_score

    truth = [y for _, y in test]
    said = (np.asarray(probabilities) > 0.5).astype(int)
    return {
        "accuracy": round(float(accuracy_score(truth, said)), 4),
        "f1": round(float(f1_score(truth, said)), 4),
    }


if __name__ == "__main__":
    main()
