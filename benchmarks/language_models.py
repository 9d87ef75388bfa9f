"""Perplexity of n-gram, recurrent and Transformer language models on the same texts.

All share one tokeniser and are trained on the training texts of the human ratings;
figures are of the validation texts. Writes `benchmarks/results/language_models.json`;
`make bench-language` runs it, some ten minutes on two cores.
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
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--sft-epochs", type=int, default=6)
    arguments = parser.parse_args()
    import_tensorflow()
    from rmkeras.data import load_human_ratings, load_sft_pairs
    from rmkeras.metrics import answer_scores
    from rmkeras.models import NGramLM
    from rmkeras.models.language_model import perplexity, train_language_model
    from rmkeras.models.sft import train_sft
    from rmkeras.rl import Sampler
    from rmkeras.text import SubwordTokenizer

    train, valid = (
        [r.text for r in load_human_ratings(part)] for part in ("train", "validation")
    )
    tokenizer = SubwordTokenizer.train(train, 3072)
    results = {"epochs": arguments.epochs, "models": {}}

    def note(name, value, started):
        seconds = round(time.monotonic() - started)
        results["models"][name] = {"perplexity": value, "seconds": seconds}
        print(f"{name:14s} perplexity {value:7.1f}  {seconds:4d} s", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")

    for order in (1, 2, 3, 4):
        started = time.monotonic()
        model = NGramLM(tokenizer, order).fit(train)
        note(f"{order}-gram", model.perplexity(valid), started)
    recipes = {
        "gru": {"learning_rate": 3e-3, "model_options": {"units": 256}},
        "lstm": {"learning_rate": 3e-3, "model_options": {"units": 256}},
        "transformer": {
            "learning_rate": 3e-3,
            "packed": True,
            "batch_size": 16,
            "model_options": {"positions": "rotary", "norm": "rms"},
        },
    }
    for name, recipe in recipes.items():
        started = time.monotonic()
        layers = 1 if name != "transformer" else 2
        model, _ = train_language_model(
            train,
            tokenizer=tokenizer,
            architecture=name,
            num_layers=layers,
            epochs=arguments.epochs,
            progress=False,
            **recipe,
        )
        note(name, perplexity(model, valid), started)

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
