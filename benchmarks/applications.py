"""Six small applications: what reinforcement learning adds to fine-tuning.

One language model (2 layers × 128, byte-level BPE, from nothing) is fine-tuned on the
training pairs of `rmkeras.data.load_task`: dialogue, summaries, questions, translation,
and replies, half of them rude. From there each application trains on its training
prompts against its own reward: BLEU, ROUGE-L, chrF, exact match, what a moderation model
flags. The sixth goes on from beginnings of product reviews, with the demo's language
model and its reward model of people's ratings; a judge that learned from other people's
ratings measures.

All numbers are of held-out prompts, greedy and over samples. So that more passes over
the same pairs are not mistaken for what the reward taught, the model is also simply
fine-tuned further. Prints the table and writes `benchmarks/results/applications.json`;
`make bench-applications` runs it, about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from rmkeras.quiet import import_tensorflow

RESULTS = Path(__file__).parent / "results" / "applications.json"
TOKENS = 26
POLICY = {"dim": 128, "num_layers": 2, "num_heads": 4, "max_length": 64}
VOCABULARY = 1200
BATCH, SAMPLES = 64, 8
FINE_TUNING_RATE, MORE_RATE = 2e-3, 1e-3
MEASURES = {
    "dialogue": "BLEU",
    "summary": "ROUGE-L",
    "translation": "chrF",
    "question": "exact match",
    "moderation": "civil replies",
    "reviews": "judge's rating",
}
RUDE = (
    "idiot,shut,stupid,lost,hate,hates,pathetic,fool,loser,moron,useless,spit,hurt,"
    "dumb,sick,clown,ugly,nobody cares,disgrace"
)
"""Words that only the rude replies have: a judge that the policy does not train on."""


def shared_policy(epochs, seed):
    """Fine-tunes one model on all tasks."""
    from rmkeras.models import CausalLM
    from rmkeras.models.sft import train_sft
    from rmkeras.text import SubwordTokenizer

    records = training_pairs()
    texts = [f"{r.prompt}\n{r.completion}" for r in records]
    tokenizer = SubwordTokenizer.train(texts, vocabulary_size=VOCABULARY)
    import keras

    keras.utils.set_random_seed(seed)
    policy = CausalLM(tokenizer, **POLICY)
    how = {"epochs": epochs, "learning_rate": FINE_TUNING_RATE, "seed": seed}
    how["progress"] = False
    return train_sft(policy, records, **how)[0]


def settings_of_policy(name, arguments):
    """Where the policy of an application comes from: for the results."""
    if name == "reviews":
        return {"from": f"{Path(arguments.models).name}/language_model"}
    return {
        **POLICY,
        "vocabulary_size": VOCABULARY,
        "epochs": arguments.epochs,
        "learning_rate": FINE_TUNING_RATE,
        "more_epochs": arguments.more,
        "more_learning_rate": MORE_RATE,
    }


def training_pairs():
    """The training pairs of all tasks; civil and rude replies alike."""
    from rmkeras.data import TASKS, PromptCompletion, load_task

    pairs = [r for t in TASKS if t != "replies" for r in load_task(t, "train")]
    for r in load_task("replies", "train"):
        pairs += [PromptCompletion(r.prompt, a) for a in (r.chosen, r.rejected)]
    return pairs


def moderation_model(seed):
    """A classifier of civil and rude replies, and its accuracy on held-out ones."""
    from rmkeras.data import Rating, load_task
    from rmkeras.models.reward_training import train_reward_model

    def labelled(part):
        both = [(r.chosen, 1.0) for r in load_task("replies", part)]
        both += [(r.rejected, -1.0) for r in load_task("replies", part)]
        return [Rating(*pair) for pair in both]

    how = {"vocabulary_size": 600, "epochs": 8, "batch_size": 16, "seed": seed}
    how["model_options"] = {"dim": 32, "units": 32}
    model, _ = train_reward_model(
        labelled("train"), model="lstm", loss="bce", progress=False, **how
    )
    test = labelled("test")
    right = (model.score([r.text for r in test]) > 0.5) == [r.rating > 0 for r in test]
    return model, float(np.mean(right))


def reviews(part, count):
    """Beginnings of product reviews, four words each."""
    from rmkeras.data import load_human_ratings

    texts = [r.text.split() for r in load_human_ratings(part, "amazonReviewSnippets")]
    found = dict.fromkeys(" ".join(t[:4]) for t in texts if len(t) > 8)
    return list(found)[:count]


class Application:
    """Prompts to train on, held-out ones, a reward and what is measured."""

    def __init__(self, name, policy, models, arguments):
        from rmkeras.data import load_task
        from rmkeras.rewards import (
            BleuReward,
            ChrfReward,
            ExactMatch,
            ForbiddenWords,
            FunctionReward,
            LearnedReward,
            ModerationReward,
            RougeReward,
        )

        self.name, self.policy, self.arguments = name, policy, arguments
        self.start = policy.get_weights()
        self.wanted = self.test_wanted = None
        rewards = {
            "dialogue": BleuReward,
            "summary": RougeReward,
            "translation": ChrfReward,
            "question": ExactMatch,
        }
        if name in rewards:
            train, test = load_task(name, "train"), load_task(name, "test")
            self.wanted = [r.completion for r in train]
            self.test_wanted = [r.completion for r in test]
            self.prompts, self.test = (
                [r.prompt for r in train],
                [r.prompt for r in test],
            )
            self.reward = self.measure = rewards[name]()
        elif name == "moderation":
            self.prompts, self.test = (
                list(dict.fromkeys(r.prompt for r in load_task("replies", part)))
                for part in ("train", "test")
            )
            self.reward = ModerationReward(models["moderation"])
            words = ForbiddenWords(RUDE.split(","))
            self.measure = FunctionReward(lambda t: 1.0 * (words(t) == 0), "civil")
        else:
            self.prompts, self.test = reviews("train", 400), reviews("test", 96)
            self.reward = LearnedReward(models["reward"])
            self.measure = LearnedReward(models["judge"], "judge")

    def look(self, samplers):
        """Held-out prompts: greedy answers and four samples of each."""
        greedy, sampled = samplers
        found, answers = {}, greedy.texts(self.test)
        found["greedy"] = float(
            self.measure(answers, self.test, self.test_wanted).mean()
        )
        prompts = [p for p in self.test for _ in range(4)]
        wanted = self.test_wanted and [w for w in self.test_wanted for _ in range(4)]
        texts = sampled.texts(self.test, seed=1, samples=4)
        found["sampled"] = float(self.measure(texts, prompts, wanted).mean())
        found["reward"] = float(self.reward(texts, prompts, wanted).mean())
        return found, list(zip(self.test[:6], answers[:6], strict=True))

    def trainer_settings(self, seed):
        """GRPO's, beside the prompts; what is not here is the class's default."""
        return {
            "batch_size": BATCH,
            "max_new_tokens": TOKENS,
            "samples": SAMPLES,
            "kl_coefficient": self.arguments.kl_coefficient,
            "learning_rate": self.arguments.learning_rate,
            "unfinished_reward": 0.0 if self.wanted else -1.0,
            "seed": seed,
        }

    def train(self, seed, samplers):
        """GRPO from the fine-tuned policy; returns numbers before and after."""
        from rmkeras.rl import GRPO

        self.policy.set_weights(self.start)
        before, _ = self.look(samplers)
        trainer = GRPO(
            self.policy,
            self.reward,
            prompts=self.prompts,
            references=self.wanted,
            **self.trainer_settings(seed),
        )
        trainer.sampler = samplers[1]  # compiled once for all
        started = time.monotonic()
        steps = []
        while len(steps) < self.arguments.steps:
            steps.append(trainer.step())
            # Further away the learned reward is only gamed: reviews become one sign.
            if np.mean([s["kl"] for s in steps[-3:]]) >= self.arguments.kl_budget:
                break
        seconds = time.monotonic() - started
        after, answers = self.look(samplers)
        return {
            "before": before,
            "after": after,
            "kl": float(np.mean([s["kl"] for s in steps[-3:]])),
            "steps": len(steps),
            "settings": {
                "algorithm": "grpo",
                **self.trainer_settings(seed),
                "most_steps": self.arguments.steps,
                "kl_budget": self.arguments.kl_budget,
                "policy": settings_of_policy(self.name, self.arguments),
            },
            "rewards": [round(s["reward"], 4) for s in steps],
            "answers": answers,
            "seconds": round(seconds, 1),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="runs/demo", help="what the demo wrote")
    parser.add_argument("--epochs", type=int, default=10, help="of fine-tuning")
    parser.add_argument("--more", type=int, default=5, help="epochs of the comparison")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--kl-coefficient", type=float, default=0.02)
    parser.add_argument("--kl-budget", type=float, default=6.0, help="nats")
    parser.add_argument("--only", nargs="*", choices=MEASURES)
    arguments = parser.parse_args()
    import_tensorflow()
    from rmkeras.models import load_model
    from rmkeras.models.sft import train_sft
    from rmkeras.rl import Sampler

    folder = Path(arguments.models)
    # Each run has settings of its own: with --only, others are of another day.
    results = {"applications": {}}
    if arguments.only and RESULTS.exists():
        results = json.loads(RESULTS.read_text("utf8"))
    names = arguments.only or list(MEASURES)
    runs = {name: [] for name in names}
    for seed in range(arguments.seeds):
        models = {}
        if names != ["reviews"]:
            policy = shared_policy(arguments.epochs, seed)
            models["moderation"], accuracy = moderation_model(seed)
            results["moderation_accuracy"] = accuracy
            samplers = [Sampler(policy, TOKENS, t) for t in (1e-4, 1.0)]
        apps = {}
        for name in names:
            if name == "reviews":
                policy = load_model(folder / "language_model")
                for part in ("transformer", "judge"):
                    key = "reward" if part == "transformer" else part
                    models[key] = load_model(folder / part)
                samplers = [Sampler(policy, TOKENS, t) for t in (1e-4, 1.0)]
            apps[name] = app = Application(name, policy, models, arguments)
            run = app.train(seed, samplers)
            app.policy.set_weights(app.start)
            runs[name].append(run)
            results["applications"][name] = runs[name]
            print(name, seed, run["before"], run["after"], flush=True)
            RESULTS.write_text(json.dumps(results) + "\n", "utf8")
        shared = [app for name, app in apps.items() if name != "reviews"]
        if shared and arguments.more:
            policy = shared[0].policy
            samplers = [Sampler(policy, TOKENS, t) for t in (1e-4, 1.0)]
            how = {"epochs": arguments.more, "learning_rate": MORE_RATE, "seed": seed}
            train_sft(policy, training_pairs(), progress=False, **how)
            for app in shared:
                runs[app.name][seed]["more_fine_tuning"] = app.look(samplers)[0]
            RESULTS.write_text(json.dumps(results) + "\n", "utf8")
    print(table(results))


def table(results):
    """The README's table."""
    lines = [
        "| application | measure | fine-tuned | and RL | or more fine-tuning | "
        "greedy: fine-tuned | and RL | or more fine-tuning |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, runs in results["applications"].items():
        cells = []
        for way in ("sampled", "greedy"):
            for when in ("before", "after", "more_fine_tuning"):
                each = [r[when][way] for r in runs if when in r]
                cells.append(f"{np.mean(each):.2f}" if each else "")
        lines.append(f"| {name} | {MEASURES[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
