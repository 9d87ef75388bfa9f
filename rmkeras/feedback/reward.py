"""Ratings from the page as a reward, while a policy is trained."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from rmkeras.feedback.store import Store
from rmkeras.feedback.tasks import Item
from rmkeras.rewards.human import HumanReward

SOURCE = "align"
"""Source of the items that `StoreReward` adds."""


class StoreReward(HumanReward):
    r"""People rate samples on the page; what they say joins the reward.

    Nobody is waited for. Of each batch `per_batch` samples go to the store, the
    newest asked first, and training goes on with the fallback's score $f$. Ratings
    that have arrived count in two ways: a text that was rated has the mean of its
    ratings $h$, and from the differences $h - f$ a ridge regression on runs of two
    to four characters, $x$, learns where the fallback is wrong:

    $$ r(t) = f(t) + w^\top x(t) + b, \qquad
    (w, b) = \arg\min \sum_i \left(h_i - f_i - w^\top x_i - b\right)^2
    + \lambda \lVert w \rVert^2 $$

    With few ratings $w$ stays near 0 and the fallback speaks.

    Args:
        store: The store; a server for the page may run on the same file. Items are
            to `rate`; several aspects are averaged.
        fallback: A `Reward` on the scale of the store's plan.
        per_batch: Samples of a batch to ask about.
        most_open: No more are added while so many wait for a rating.
        ridge: λ. Infinity leaves the fallback's scores of other texts alone.

    Example:

    >>> import pathlib, tempfile
    >>> from rmkeras.feedback import Store
    >>> from rmkeras.rewards import FunctionReward
    >>> store = Store(pathlib.Path(tempfile.mkdtemp(), "answers.db"))
    >>> plan = store.set_plan(aspects=("good",))
    >>> zero = FunctionReward(lambda texts: [0.0] * len(texts), "zero")
    >>> people = StoreReward(store, zero, per_batch=1)
    >>> people(["a good film", "a film"]).tolist()
    [0.0, 0.0]
    >>> given = store.record(store.rater("Ada"), 1, {"ratings": {"good": 3}})
    >>> people(["a good film"]).tolist()
    [3.0]

    Source: Christiano et al. (2017), section 2.2, for feedback that arrives while
    the policy is trained; there the reward model itself is trained again.
    """

    def __init__(self, store: Store, fallback, per_batch=8, most_open=64, ridge=3.0):
        super().__init__(lambda texts, prompts: [], fallback, per_batch)
        self.store = store
        self.most_open = most_open
        self.ridge = float(ridge)
        self._asked = 0.0
        self._fitted: tuple[int, object] = (0, None)

    def score(self, texts, prompts=None, references=None):
        """Takes in what has arrived, asks about some texts, scores all."""
        scores = self.fallback(texts, prompts, references).astype("float64")
        keys = list(
            zip([p or "" for p in prompts or [""] * len(texts)], texts, strict=True)
        )
        self._take_in()
        if not self.resting:
            self._ask(keys, texts, prompts)
        correction = self._correction()
        if correction is not None:
            scores += correction(texts)
        for i, key in enumerate(keys):
            scores[i] = self.answers.get(key, scores[i])
        return scores

    def _take_in(self) -> None:
        ratings: dict[int, list[float]] = defaultdict(list)
        for answer in self.store.answers(task="rate", gold=False):
            ratings[answer.item].append(np.mean([*answer.value["ratings"].values()]))
        for item in self.store.items(task="rate", gold=False):
            if item.id in ratings:
                key = item.prompt, item.texts[0]
                self.answers[key] = float(np.mean(ratings[item.id]))

    def _ask(self, keys, texts, prompts) -> None:
        waiting = sum(1 for _ in self.store.items(task="rate", gold=False, open=True))
        room = min(self.per_batch, self.most_open - waiting)
        new = [i for i in self._order(texts, prompts) if keys[i] not in self.answers]
        # A later batch is closer to what the policy says now.
        self._asked += 1.0
        chosen = [i for i in new if texts[i].strip()][: max(0, room)]
        self.store.add_items(
            Item("rate", (texts[i],), keys[i][0], source=SOURCE, priority=self._asked)
            for i in chosen
        )

    def _correction(self):
        """What people's ratings say about texts that nobody has rated."""
        # A fallback that compares with references cannot score old texts again.
        blind = "references" in self.fallback.needs
        if len(self.answers) < 2 or blind or not np.isfinite(self.ridge):
            return None
        state = hash(tuple(self.answers.items()))
        if self._fitted[0] != state:
            self._fitted = (state, self._fit())
        return self._fitted[1]

    def _fit(self):
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.linear_model import Ridge

        keys = [*self.answers]
        texts = [text for _, text in keys]
        prompts = [prompt for prompt, _ in keys]
        before = self.fallback(texts, prompts, None).astype("float64")
        vectors = HashingVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), n_features=1 << 16
        )
        model = Ridge(self.ridge).fit(
            vectors.transform(texts), np.array([*self.answers.values()]) - before
        )
        return lambda new: model.predict(vectors.transform(list(new)))
