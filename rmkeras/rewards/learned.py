"""A trained reward model as a reward."""

from __future__ import annotations

import numpy as np

from rmkeras.rewards.base import Reward


class LearnedReward(Reward):
    """Scores with a reward model: its rating, or a classifier's logit.

    If model and policy share one tokeniser and there are no prompts, scoring stays
    inside the graph. Otherwise the ids are decoded and the text is encoded anew.

    Args:
        model: A `RewardModel` or a `RewardEnsemble`.
        name: What messages call it.
        with_prompts: Whether the model reads the prompt before the completion; it
            should if it was trained so.
        shift, scale: The reward is (r − shift) / scale. See `normalized`.

    Example:

    >>> from rmkeras.models import lstm_reward_model
    >>> from rmkeras.rewards import LearnedReward
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> reward = LearnedReward(lstm_reward_model(tokenizer, dim=8, units=4))
    >>> reward(["a good film", "a film"]).shape
    (2,)
    """

    def __init__(
        self, model, name="reward model", with_prompts=False, shift=0.0, scale=1.0
    ):
        self.model = model
        self.name = name
        self.needs = ("prompts",) if with_prompts else ()
        self.shift = float(shift)
        self.scale = float(scale)

    def normalized(self, texts, prompts=None):
        """Returns the same reward with mean 0 and standard deviation 1 on texts.

        A reward model's zero is arbitrary; take samples of the policy before
        training.

        Args:
            texts: Two or more strings that do not all score alike.
            prompts: Their prompts, if the model reads them.

        Returns:
            A `LearnedReward`.

        Source: Ziegler et al. (2019), section 2.1; Stiennon et al. (2020),
        section 3.4.
        """
        scores = self(texts, prompts) * self.scale + self.shift
        spread = float(scores.std())
        return LearnedReward(
            self.model, self.name, bool(self.needs), scores.mean(), spread or 1.0
        )

    def score(self, texts, prompts=None):
        """Scores strings with the model."""
        scores = np.asarray(self.model.score(texts, prompts=prompts), "float64")
        if self.model.task == "classification":
            # A probability of 1.0 in float32 has no finite logit: about ±16 is
            # as far as it can tell.
            scores = np.clip(scores, 1e-7, 1 - 1e-7)
            scores = np.log(scores) - np.log1p(-scores)
        return (scores - self.shift) / self.scale

    def in_graph(self, tokenizer):
        """True if the tokenisers agree and no prompt is read."""
        members = getattr(self.model, "members", [self.model])
        return not self.needs and all(tokenizer == m.tokenizer for m in members)

    def score_ids(self, ids, tokenizer):
        """Scores ids in the graph where the tokenisers agree; see `Reward`."""
        if self.in_graph(tokenizer):
            return (self.model.reward(ids) - self.shift) / self.scale
        return super().score_ids(ids, tokenizer)
