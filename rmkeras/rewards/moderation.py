"""A reward that takes something off for what a moderation model flags."""

from __future__ import annotations

import numpy as np

from rmkeras.rewards.base import Reward
from rmkeras.rewards.learned import what_model


def default_threshold(model):
    """Below which score a model means "bad" if nobody says otherwise.

    Args:
        model: A reward model.

    Returns:
        0.5 for a classifier, whose score is the probability of a good text; 0 for
        any other.

    Example:

    >>> from rmkeras.models import lstm_reward_model
    >>> from rmkeras.rewards import default_threshold
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = lstm_reward_model(tokenizer, dim=8, units=4, task="classification")
    >>> default_threshold(model)
    0.5
    """
    return 0.5 if model.task == "classification" else 0.0


class ModerationReward(Reward):
    """−1 for each text that a moderation model flags, 0 for any other.

    r(x) = −[s(x) < threshold]; if `graded`, r(x) = min(0, s(x) − threshold), which
    tells a text that is a little below from one that is far below.

    It says nothing about how good a text is: add it to a reward that does, with a
    weight that makes a flag cost more than the other can give.

    Args:
        model: A `RewardModel` or `RewardEnsemble` that scores civil texts higher,
            such as a classifier trained on labelled answers.
        threshold: Scores below it are flagged; see `default_threshold` if `None`.
        graded: See above.
        with_prompts: Whether the model reads the prompt before the completion.
        name: What messages call it.

    Example:

    >>> from rmkeras.models import lstm_reward_model
    >>> from rmkeras.rewards import ModerationReward
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = lstm_reward_model(tokenizer, dim=8, units=4, task="classification")
    >>> ModerationReward(model, threshold=1.1)(["a good film"]).tolist()
    [-1.0]

    Source: Ouyang et al. (2022), section 4.2, for measuring what is harmful apart
    from what is helpful.
    """

    def __init__(
        self,
        model,
        threshold=None,
        graded=False,
        with_prompts=False,
        name="moderation",
    ):
        self.model = model
        self.threshold = default_threshold(model) if threshold is None else threshold
        self.graded = graded
        self.name = name
        self.needs = ("prompts",) if with_prompts else ()

    options = ("threshold", "graded")

    def decides(self):
        """See `Reward.decides`."""
        return {**super().decides(), **what_model(self.model), "needs": [*self.needs]}

    def flagged(self, texts, prompts=None):
        """Returns which texts score below the threshold, `(n,)` booleans."""
        scores = self.model.score(list(texts), prompts=prompts)
        return np.asarray(scores) < self.threshold

    def score(self, texts, prompts=None):
        """Scores strings with the model and compares with the threshold."""
        scores = np.asarray(self.model.score(texts, prompts=prompts))
        if self.graded:
            return np.minimum(0.0, scores - self.threshold)
        return 0.0 - (scores < self.threshold)
