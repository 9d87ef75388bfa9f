"""Ratings that people give while a policy is trained."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from rmkeras.errors import RmkerasError
from rmkeras.rewards.base import Reward


class HumanReward(Reward):
    """Asks people about some samples; a learned reward stands in for the others.

    People are slow, so only `per_batch` samples of a batch are shown, those where
    the fallback is least sure if it is an ensemble, else evenly through the
    batch. An answer counts for the same text ever after and is never asked for
    again; a `Look` asks nobody. With `log`, each answer is on the disk before training goes on, as a
    rating record that `train-reward` reads; a run that is resumed finds it there.

    Args:
        ask: Called with a list of texts and the list of their prompts (empty
            strings if there are none, whether or not the fallback reads them);
            returns as many ratings, `None` where
            nobody answered. Such a text is scored by the fallback.
        fallback: A `Reward` on the same scale.
        per_batch: Number of texts to ask about.
        log: A JSON-lines file of ratings, or `None`.
        rater: Name of the rater in that file.

    Example:

    >>> from rmkeras.rewards import FunctionReward, HumanReward
    >>> zero = FunctionReward(lambda texts: [0.0] * len(texts), "zero")
    >>> people = HumanReward(lambda texts, prompts: [3.0] * len(texts), zero, 1)
    >>> people(["a good film", "a film"]).tolist()
    [3.0, 0.0]

    Source: Christiano et al. (2017), section 2.2, for asking while training.
    """

    name = "human"
    wants = ("prompts",)  # people see them, also where the fallback reads none
    looks_at_batch = True  # whom to ask about depends on the others

    def __init__(self, ask, fallback, per_batch=8, log=None, rater="person"):
        self.ask = ask
        self.fallback = fallback
        self.per_batch = per_batch
        self.log = None if log is None else Path(log)
        self.rater = rater
        self.needs = tuple(dict.fromkeys((*fallback.needs,)))
        self.answers = self._read() if self.log and self.log.exists() else {}

    def _read(self):
        answers = {}
        # Not `splitlines`, which also parts at characters that JSON leaves in strings.
        lines = self.log.read_text("utf8").removesuffix("\n").split("\n")
        for number, line in enumerate(lines if lines != [""] else [], 1):
            try:
                record = json.loads(line)
                answers[record.get("prompt", ""), record["text"]] = record["rating"]
            except (ValueError, KeyError, TypeError) as error:
                raise RmkerasError(
                    f"{self.log}, line {number}: expected an object with text and "
                    f"rating, found {line[:60]!r}; mend or remove the line"
                ) from error
        return answers

    def _note(self, key, rating):
        self.answers[key] = float(rating)
        if self.log is None:
            return
        record = {"text": key[1], "rating": float(rating), "rater": self.rater}
        if key[0]:
            record["prompt"] = key[0]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def score(self, texts, prompts=None, references=None):
        """Asks, notes, fills the gaps."""
        scores = self.fallback(texts, prompts, references).astype("float64")
        keys = list(
            zip([p or "" for p in prompts or [""] * len(texts)], texts, strict=True)
        )
        new = [i for i in self._order(texts, prompts) if keys[i] not in self.answers]
        chosen = list({keys[i]: i for i in reversed(new)}.values())[::-1]
        chosen = [] if self.resting else chosen[: self.per_batch]
        if chosen:
            ratings = list(
                self.ask([texts[i] for i in chosen], [keys[i][0] for i in chosen])
            )
            if len(ratings) != len(chosen):
                raise RmkerasError(
                    f"{len(chosen)} texts were shown and {len(ratings)} ratings came "
                    "back; expected a rating or None for each"
                )
            for i, rating in zip(chosen, ratings, strict=True):
                if rating is not None:
                    self._note(keys[i], rating)
        for i, key in enumerate(keys):
            scores[i] = self.answers.get(key, scores[i])
        return scores

    def _order(self, texts, prompts):
        model = getattr(self.fallback, "model", None)
        if hasattr(model, "uncertainty"):
            read = prompts if "prompts" in self.fallback.needs else None
            unsure = model.uncertainty(texts, prompts=read)
            return np.argsort(-unsure, kind="stable").tolist()
        step = max(1, len(texts) // max(1, self.per_batch))
        first = list(range(0, len(texts), step))
        return first + [i for i in range(len(texts)) if i % step]

    def inner(self):
        """The fallback."""
        return (self.fallback,)

    def decides(self):
        """See `Reward.decides`; how many texts people are asked about may change."""
        return {"kind": type(self).__name__, "fallback": self.fallback.decides()}

    def state(self):
        """Returns the answers, for a run without a log, and what the fallback has."""
        return {
            "answers": [[*key, rating] for key, rating in self.answers.items()],
            "fallback": self.fallback.state(),
        }

    def load_state(self, state):
        """Takes them back, the answers beside those in the log."""
        if "fallback" in state:  # Earlier versions did not save it.
            self.fallback.load_state(state["fallback"])
        for prompt, text, rating in state["answers"]:
            self.answers.setdefault((prompt, text), rating)


def ask_in_terminal(texts, prompts):
    """Asks the person at the terminal for a rating of each text.

    Args:
        texts: Strings.
        prompts: As many strings, empty if there is none.

    Returns:
        A list of floats, `None` where only Enter was pressed.

    Example:

    >>> import builtins, unittest.mock
    >>> from rmkeras.rewards import ask_in_terminal
    >>> with unittest.mock.patch.object(builtins, "input", lambda *_: "3"):
    ...     ratings = ask_in_terminal(["a good film"], [""])
    <BLANKLINE>
    → a good film
    >>> ratings
    [3.0]
    """
    ratings = []
    for text, prompt in zip(texts, prompts, strict=True):
        print(f"\n{prompt}\n→ {text}" if prompt else f"\n→ {text}")
        while True:
            answer = input("rating from -4 to 4, Enter to skip: ").strip()
            if not answer:
                ratings.append(None)
                break
            try:
                rating = float(answer)
            except ValueError:
                rating = float("nan")
            if -4 <= rating <= 4:
                ratings.append(rating)
                break
            print(f"{answer!r} is no number from -4 to 4")
    return ratings
