"""Perplexity of n-gram, recurrent and Transformer language models on the same texts.

All share one tokeniser and are trained on the training texts of the human ratings.
Networks keep the epoch that was best on the validation texts; figures are of the test
texts, which nothing was chosen on. Writes `benchmarks/results/language_models.json`;
`make bench-language` runs it, some twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from rmkeras.quiet import import_tensorflow

RESULTS = Path(__file__).parent / "results" / "language_models.json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sft-epochs", type=int, default=6)
    parser.add_argument("--without", nargs="*", default=[], help="models to leave out")
    arguments = parser.parse_args()
    import_tensorflow()
    from rmkeras.data import load_human_ratings, load_sft_pairs
    from rmkeras.metrics import answer_scores
    from rmkeras.models import NGramLM
    from rmkeras.models.language_model import perplexity, train_language_model
    from rmkeras.models.masked_lm import masked_scores, train_masked_model
    from rmkeras.models.sft import train_sft
    from rmkeras.rl import Sampler
    from rmkeras.text import SubwordTokenizer

    train, valid, test = (
        [r.text for r in load_human_ratings(part)]
        for part in ("train", "validation", "test")
    )
    tokenizer = SubwordTokenizer.train(train, 3072)
    results = {"models": {}}

    def note(name, value, started):
        seconds = round(time.monotonic() - started)
        results["models"][name] = {"perplexity": value, "seconds": seconds}
        print(f"{name:14s} perplexity {value:7.1f}  {seconds:4d} s", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")

    for order in (1, 2, 3, 4):
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

    started = time.monotonic()
    masked, _ = train_masked_model(train, tokenizer=tokenizer, epochs=4, progress=False)
    results["masked"] = masked_scores(masked, test)
    results["masked"]["seconds"] = round(time.monotonic() - started)
    print("masked:", results["masked"], flush=True)

    # The last one, the Transformer, learns to answer.
    pairs, held_out = load_sft_pairs("train"), load_sft_pairs("test")
    wanted = [r.completion for r in held_out]

    def answers():
        sampler = Sampler(model, 20, temperature=1e-4)
        return answer_scores(sampler.texts([r.prompt for r in held_out]), wanted)

    results["sft"] = {"before": answers()}
    model, _ = train_sft(model, pairs, epochs=arguments.sft_epochs, progress=False)
    results["sft"]["after"] = answers()
    print("fine-tuning:", results["sft"])
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")


if __name__ == "__main__":
    main()
