"""The whole path on real human ratings, in minutes: `rmkeras demo`."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

from rmkeras.data.archive import DOMAINS
from rmkeras.quiet import import_tensorflow


class _Stages:
    """Names what is being done on standard error, and remembers how long it took."""

    def __init__(self):
        self.done = []

    def __call__(self, name):
        self.close()
        self.name, self.started = name, time.monotonic()
        print(f"• {name}", file=sys.stderr, flush=True)

    def close(self):
        if getattr(self, "name", None):
            seconds = time.monotonic() - self.started
            self.done.append({"name": self.name, "seconds": round(seconds, 1)})
            self.name = None


def judge_texts(texts, judge):
    """Rates texts by what the policy was not trained on.

    Args:
        texts: A list of strings.
        judge: A `RewardModel` trained on other data than the reward.

    Returns:
        A dict: arrays `judge` and `vader` of a score a text, and the number
        `distinct2` of all texts together.
    """
    from rmkeras.evaluate.baselines import vader_compound
    from rmkeras.metrics import distinct_n

    return {
        "judge": judge.score(texts),
        "vader": vader_compound(texts),
        "distinct2": distinct_n(texts, 2),
    }


def reinforce_run(
    policy, reward, judge, steps, evaluate_every, samples, seed, **options
):
    """Trains a policy with REINFORCE and watches it from outside.

    Args:
        policy: A `CausalLM`, changed in place.
        reward: The `Reward` that it is trained on.
        judge: A `RewardModel` that it is only measured with.
        steps: Number of updates.
        evaluate_every: Steps between two looks from outside.
        samples: Texts drawn for each look.
        seed: Decides all draws.
        **options: Passed to `Reinforce`.

    Returns:
        A dict with `steps` (a dict a step), `evaluations` (a dict a look) and the
        texts drawn `before` and `after`.
    """
    from tqdm import tqdm

    from rmkeras.losses import kl_estimate, token_log_probabilities
    from rmkeras.rl import Reinforce, Sampler
    from rmkeras.text.tokenizer import PAD_ID

    trainer = Reinforce(policy, reward, seed=seed, **options)
    sampler = Sampler(policy, trainer.max_new_tokens)
    run = {"steps": [], "evaluations": []}

    def look(step):
        # The same seed each time: what changes is the policy, not the dice.
        drawn = sampler(batch_size=samples, seed=seed + 999)
        texts = policy.tokenizer.decode(drawn.ids.numpy())
        inputs = drawn.sequence()[:, :-1]
        kl = kl_estimate(
            drawn.log_probs,
            token_log_probabilities(trainer.reference(inputs), drawn.ids),
            drawn.mask,
        )
        seen = judge_texts(texts, judge)
        run["evaluations"].append(
            {
                "step": step,
                "reward": float(np.mean(reward(texts))),
                "judge": float(seen["judge"].mean()),
                "vader": float(seen["vader"].mean()),
                "distinct2": float(seen["distinct2"]),
                "kl": float(np.mean(kl)),
                "length": float(np.mean(np.sum(drawn.ids.numpy() != PAD_ID, axis=1))),
            }
        )
        return texts

    run["before"] = look(0)
    with tqdm(total=steps, desc="REINFORCE", unit="step", leave=False) as bar:
        for step in range(1, steps + 1):
            started = time.monotonic()
            logs = trainer.step()
            seconds = time.monotonic() - started
            run["steps"].append({"step": step, **logs, "seconds": seconds})
            bar.set_postfix_str(
                f"reward {logs['reward']:.2f}, KL {logs['kl']:.1f}", refresh=False
            )
            bar.update(1)
            if step % evaluate_every == 0 or step == steps:
                run["after"] = look(step)
    return run


def run_demo(out="runs/demo", seed=0, data_dir=None, quick=False):
    """Reward models, language model, REINFORCE and a report, from human ratings.

    The ratings' three parts play three roles. The training part teaches the
    reward models and the language model; validation and test together teach the
    judge, so that the policy is judged by people whom its reward never heard.

    Args:
        out: Folder for models, `metrics.json` and `report.html`.
        seed: Decides everything random.
        data_dir: Where the human ratings were prepared.
        quick: Whether to run on a few hundred texts, for tests: the path is the
            same, the numbers mean nothing.

    Returns:
        The path of the report.

    Raises:
        RmkerasError: If `out` cannot be made, or the ratings are not there.
    """
    tf, keras = import_tensorflow()

    from rmkeras.data import load_human_ratings
    from rmkeras.evaluate.baselines import rating_baselines
    from rmkeras.evaluate.report import write_report
    from rmkeras.metrics import per_domain_pearson
    from rmkeras.models.language_model import perplexity, train_language_model
    from rmkeras.models.ngram import NGramLM
    from rmkeras.models.reward_training import train_reward_model
    from rmkeras.models.training import Interrupted
    from rmkeras.rewards import LearnedReward
    from rmkeras.rl.checkpoint import begin_run

    begun = time.monotonic()
    out = Path(out)
    begin_run(out)
    stage = _Stages()
    again = f"rmkeras demo --out {out} (the demo starts anew; it takes minutes)"

    stage("Reading the human ratings")
    parts = {
        part: load_human_ratings(part, data_dir=data_dir)
        for part in ("train", "validation", "test")
    }
    if quick:
        parts = {part: records[::40] for part, records in parts.items()}
    train, test = parts["train"], parts["test"]
    texts = {part: [r.text for r in records] for part, records in parts.items()}

    stage("Pretraining a language model on the training texts")
    small = {"dim": 32, "num_layers": 1, "vocabulary_size": 600, "epochs": 1}
    policy, lm_history = train_language_model(
        texts["train"],
        texts["validation"],
        seed=seed,
        out=out / "language_model",
        how_to_resume=again,
        **(small if quick else {}),
    )
    stage("Comparing it with a smoothed trigram model")
    language_model = {
        "perplexity": perplexity(policy, texts["validation"]),
        "trigram_perplexity": NGramLM(policy.tokenizer, max_length=policy.max_length)
        .fit(texts["train"], progress=True)
        .perplexity(texts["validation"], progress=True),
    }

    rewards, curves, predictions = {}, {}, {}
    for name in ("lstm", "transformer"):
        stage(f"Training the {name} reward model on {len(train):,} rated texts")
        model, history = train_reward_model(
            train,
            parts["validation"],
            model=name,
            # The Transformer starts from the language model's weights and shares
            # its tokeniser, so that it can score samples inside the graph.
            language_model=policy if name == "transformer" else None,
            vocabulary_size=600 if quick else 8000,
            seed=seed,
            out=out / name,
            how_to_resume=again,
            epochs=1 if quick else EPOCHS[name],
        )
        predictions[name] = model.score(texts["test"])
        rewards[name] = {
            "pearson": per_domain_pearson(predictions[name], test),
            "seconds": round(history.pop("seconds"), 1),
        }
        curves[name] = history
    reward_model = model

    stage("Baselines: VADER, TF-IDF + ridge, one human against the others")
    rewards["baselines"] = rating_baselines(train, test)

    others = parts["validation"] + test
    stage(f"Training the judge on {len(others):,} other rated texts")
    judge, _ = train_reward_model(
        others,
        model="lstm",
        label="judge",
        seed=seed + 1,
        vocabulary_size=600 if quick else 4096,
        out=out / "judge",
        how_to_resume=again,
        epochs=1 if quick else EPOCHS["judge"],
    )
    judge_pearson = per_domain_pearson(judge.score(texts["train"]), train)

    stage("REINFORCE: improving the language model against the Transformer's rating")
    try:
        run = reinforce_run(
            policy,
            LearnedReward(reward_model),
            judge,
            seed=seed,
            **(
                {"steps": 2, "evaluate_every": 1, "samples": 16, "batch_size": 8}
                if quick
                else REINFORCE
            ),
        )
    except KeyboardInterrupt:
        policy.save(out / "policy.keras")
        raise Interrupted(
            f"stopped; the policy as it is now is saved in {out / 'policy.keras'} and "
            f"can be sampled with: rmkeras generate {out / 'policy.keras'}. Go on "
            f"with: {again}"
        ) from None
    policy.save(out / "policy.keras")
    first, last = run["evaluations"][0], run["evaluations"][-1]
    reinforce = {"kl": last["kl"]}
    for key in ("reward", "judge", "vader", "distinct2"):
        reinforce |= {f"{key}_before": first[key], f"{key}_after": last[key]}

    stage("Writing the report")
    metrics = {
        "reward_model": rewards,
        "judge": {"pearson": judge_pearson},
        "language_model": language_model,
        "reinforce": reinforce,
        "seconds": None,
    }
    results = {
        "metrics": metrics,
        "curves": {
            **curves,
            "language_model": {
                "loss": lm_history["loss"],
                "val_perplexity": [float(np.exp(v)) for v in lm_history["val_loss"]],
            },
            "reinforce": run["steps"],
            "reinforce_evaluations": run["evaluations"],
        },
        "predictions": _by_domain(test, predictions),
        "samples": _ten_samples(run, judge),
        "environment": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "cpu": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "seed": seed,
        },
    }
    stage.close()
    metrics["seconds"] = round(time.monotonic() - begun, 1)
    results["stages"] = stage.done
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", "utf8")
    (out / "results.json").write_text(json.dumps(results) + "\n", "utf8")
    return write_report(results, out / "report.html"), metrics


# Enough for the point; `make bench-quality` trains longer.
EPOCHS = {"lstm": 3, "transformer": 2, "judge": 2}

# β is large for a rating scale: at the optimum of E[r] − β KL, a rise of the
# rating by one standard deviation costs well under one nat, and the language
# stays alive. With β = 0.05 the rating triples and the samples become one phrase.
REINFORCE = {
    "steps": 40,
    "evaluate_every": 10,
    "samples": 256,
    "batch_size": 64,
    "max_new_tokens": 32,
    "kl_coefficient": 0.2,
    "learning_rate": 1e-3,
}


def _by_domain(records, predictions):
    rows = {}
    for domain in DOMAINS:
        index = [i for i, r in enumerate(records) if r.source == domain]
        rows[domain] = {"human": [round(records[i].rating, 3) for i in index]}
        for name, values in predictions.items():
            rows[domain][name] = [round(float(values[i]), 3) for i in index]
    return rows


def _ten_samples(run, judge):
    before, after = run["before"][:10], run["after"][:10]
    b, a = judge_texts(before, judge), judge_texts(after, judge)
    return [
        {
            "before": before[i],
            "after": after[i],
            "judge_before": float(b["judge"][i]),
            "judge_after": float(a["judge"][i]),
            "vader_before": float(b["vader"][i]),
            "vader_after": float(a["vader"][i]),
        }
        for i in range(min(10, len(before)))
    ]
