"""Perplexity of n-gram, recurrent and Transformer language models on the same texts.

All share one tokeniser and are trained on the training texts of the human ratings.
Networks keep the epoch that was best on the validation texts; figures are of the test
texts, which nothing was chosen on. The Transformer then learns to answer. Writes
`benchmarks/results/language_models.json`, and the Transformer to
`runs/language_models/`; `--sft-only` begins there. `make bench-language` runs it, some
forty minutes on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

from rmkeras._cli_training import set_precision
from rmkeras.quiet import import_tensorflow

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "language_models.json"
MODEL = Path("runs/language_models/model.keras")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sft-epochs", type=int, default=6)
    parser.add_argument("--without", nargs="*", default=[], help="models to leave out")
    parser.add_argument("--sft-only", action="store_true")
    parser.add_argument("--precision", default="float32")
    arguments = parser.parse_args()
    _, keras = import_tensorflow()
    set_precision(keras, arguments.precision, print)
    if arguments.sft_only:
        results = json.loads(RESULTS.read_text("utf8"))
        from rmkeras.models import load_model

        model = load_model(MODEL.parent)
    else:
        results, model = pretrain(arguments)
    start = model.get_weights()
    results["sft"] = fine_tune(model, arguments.sft_epochs)
    model.set_weights(start)
    results["sft_ratings"] = fine_tune_on_ratings(model)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")


def pretrain(arguments):
    """All models on the same texts; returns the results and the last model."""
    from rmkeras.data import load_human_ratings
    from rmkeras.models import NGramLM
    from rmkeras.models.language_model import perplexity, train_language_model
    from rmkeras.models.masked_lm import masked_scores, train_masked_model
    from rmkeras.text import SubwordTokenizer

    train, valid, test = (
        [r.text for r in load_human_ratings(part)]
        for part in ("train", "validation", "test")
    )
    tokenizer = SubwordTokenizer.train(train, 3072)
    results = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    results.setdefault("models", {})

    def note(name, value, started):
        seconds = round(time.monotonic() - started)
        found = {"perplexity": value, "seconds": seconds}
        results["models"][name] = found | {"precision": arguments.precision}
        print(f"{name:14s} perplexity {value:7.1f}  {seconds:4d} s", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")

    for order in [n for n in (1, 2, 3, 4) if f"{n}-gram" not in arguments.without]:
        started = time.monotonic()
        model = NGramLM(tokenizer, order).fit(train)
        note(f"{order}-gram", model.perplexity(test), started)
    recurrent = {"learning_rate": 3e-3, "dropout": 0.2, "epochs": 4, "num_layers": 1}
    recurrent["model_options"] = {"units": 256}
    recipes = {
        "gru": recurrent,
        "lstm": recurrent,
        "transformer": {
            "learning_rate": 2e-3,
            "dropout": 0.15,
            "epochs": 8,
            "dim": 192,
            "num_layers": 3,
            "num_heads": 6,
            "packed": True,
            "batch_size": 16,
            "model_options": {"positions": "rotary", "norm": "rms"},
        },
    }
    for name in [n for n in recipes if n not in arguments.without]:
        started = time.monotonic()
        model, history = train_language_model(
            train,
            valid,
            tokenizer=tokenizer,
            architecture=name,
            patience=2,
            progress=False,
            **recipes[name],
        )
        print(name, "validation loss by epoch:", history["val_loss"], flush=True)
        note(name, perplexity(model, test), started)

    MODEL.parent.mkdir(parents=True, exist_ok=True)
    model.save(MODEL)
    if "masked" in arguments.without:
        return results, model
    started = time.monotonic()
    masked, _ = train_masked_model(train, tokenizer=tokenizer, epochs=4, progress=False)
    results["masked"] = masked_scores(masked, test)
    results["masked"]["seconds"] = round(time.monotonic() - started)
    print("masked:", results["masked"], flush=True)
    return results, model


def fine_tune(model, epochs):
    """Exact match and chrF on the prompts held out, before and after."""
    from rmkeras.data import load_sft_pairs
    from rmkeras.metrics import answer_scores
    from rmkeras.models.sft import train_sft
    from rmkeras.rl import Sampler

    pairs, held_out = load_sft_pairs("train"), load_sft_pairs("test")
    lines = (HERE.parent / "data" / "sft_pairs.jsonl").read_text("utf8").splitlines()
    family = {row["prompt"]: row["source"] for row in map(json.loads, lines)}

    def answers():
        sampler = Sampler(model, 20, temperature=1e-4)
        return sampler.texts([r.prompt for r in held_out])

    def scores(texts):
        found = answer_scores(texts, [r.completion for r in held_out])
        by_family = found["exact_match_by_family"] = {}
        for name in sorted({family[r.prompt] for r in held_out}):
            rows = [i for i, r in enumerate(held_out) if family[r.prompt] == name]
            wanted = [held_out[i].completion for i in rows]
            right = answer_scores([texts[i] for i in rows], wanted)["exact_match"]
            by_family[name] = right
        return found

    found = {"before": scores(answers())}
    started = time.monotonic()
    model, _ = train_sft(model, pairs, epochs=epochs, progress=False)
    texts = answers()
    found |= {"after": scores(texts), "epochs": epochs}
    found["seconds"] = round(time.monotonic() - started)
    for record, text in list(zip(held_out, texts, strict=True))[::6]:
        print(f"{record.prompt} -> {text} ({record.completion})")
    print("fine-tuning:", found)
    return found


def fine_tune_on_ratings(model, count=4000, epochs=3):
    """The same, on questions about texts that people rated: is this positive?

    A few hundred pairs show what an answer looks like; thousands teach one thing.
    """
    from rmkeras.data import PromptCompletion, load_human_ratings
    from rmkeras.metrics import answer_scores
    from rmkeras.models.sft import train_sft
    from rmkeras.rl import Sampler

    def questions(part, most):
        domains = ("tweets", "amazonReviewSnippets")
        rated = [r for d in domains for r in load_human_ratings(part, d)]
        rated = [r for r in rated if abs(r.rating) > 1 and len(r.text) < 120]
        rated.sort(key=lambda r: hashlib.sha256(r.text.encode()).hexdigest())
        good = [r for r in rated if r.rating > 0][: most // 2]
        bad = [r for r in rated if r.rating < 0][: most // 2]
        return [
            PromptCompletion(
                prompt=f'Is this positive or negative? "{r.text}"',
                completion="positive" if r.rating > 0 else "negative",
            )
            for pair in zip(good, bad, strict=False)
            for r in pair
        ]

    train, held_out = questions("train", count), questions("test", 600)
    seen = {r.prompt for r in train}
    held_out = [r for r in held_out if r.prompt not in seen]
    wanted = [r.completion for r in held_out]

    def scores():
        sampler = Sampler(model, 4, temperature=1e-4)
        return answer_scores(sampler.texts([r.prompt for r in held_out]), wanted)

    found = {"train": len(train), "held_out": len(held_out), "before": scores()}
    started = time.monotonic()
    model, _ = train_sft(model, train, epochs=epochs, progress=False)
    found |= {"after": scores(), "epochs": epochs}
    found["seconds"] = round(time.monotonic() - started)
    print("fine-tuning on questions about ratings:", found)
    return found


if __name__ == "__main__":
    main()
