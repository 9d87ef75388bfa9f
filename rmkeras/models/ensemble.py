"""Several reward models as one, and how far they are apart."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from rmkeras.errors import RmkerasError
from rmkeras.models.reward_model import RewardModel

HOW = ("mean", "minimum", "cautious")


@keras.saving.register_keras_serializable(package="rmkeras")
class RewardEnsemble(keras.Model):
    """Reward models that differ by their seed, and what they make of a text.

    mean: r̄ = (1 / M) Σ_m r_m;  minimum: min_m r_m;  cautious: r̄ − k s

    where s is the members' standard deviation. On texts like those they were
    trained on the members agree. On others they guess differently, so that s says
    where a reward should not be trusted; a policy that is trained against the
    minimum, or the cautious mean, gains less from such guesses. Of classifiers the
    logits are combined, and `score` is the probability σ of what comes out: a
    spread that is taken off a probability could make it negative.

    The ensemble is saved in one `.keras` file like any model.

    Args:
        members: Two or more `RewardModel`s of one task.
        how: What `score` returns: `"mean"`, `"minimum"` or `"cautious"`.
        k: How many standard deviations caution takes off.

    Call arguments:
        ids: As for the members, which have to share a tokeniser for this;
            `score` does without.

    Returns:
        As the members do.

    Example:

    >>> from rmkeras.models import RewardEnsemble, lstm_reward_model
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> members = [lstm_reward_model(tokenizer, dim=8, units=4) for _ in range(3)]
    >>> RewardEnsemble(members).uncertainty(["a good film"]).shape
    (1,)

    Source: Lakshminarayanan et al. (2017), "Simple and Scalable Predictive
    Uncertainty Estimation using Deep Ensembles"; Coste et al. (2023), "Reward
    Model Ensembles Help Mitigate Overoptimization", section 3.
    """

    def __init__(self, members, how="mean", k=1.0, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        members = list(members)
        if len(members) < 2:
            raise ValueError(f"an ensemble of {len(members)}; expected two or more")
        if len({member.task for member in members}) > 1:
            raise ValueError("the members have different tasks; expected one")
        if how not in HOW:
            raise ValueError(f"how is {how!r}; expected one of {', '.join(HOW)}")
        self.members = members
        self.how = how
        self.k = k
        self.task = members[0].task
        self.max_length = min(member.max_length for member in members)
        self.built = True  # The members come built.
        if len({member.aspects for member in members}) > 1:
            raise ValueError("the members judge different aspects; expected the same")
        self.aspects = members[0].aspects

    @property
    def tokenizer(self):
        """The members' tokeniser, if they share one.

        Raises:
            RmkerasError: If they do not.
        """
        first = self.members[0].tokenizer
        if any(member.tokenizer != first for member in self.members[1:]):
            raise RmkerasError(
                "the ensemble's members have different tokenisers, so there are no "
                "ids that mean the same to all; use score(texts)"
            )
        return first

    def call(self, ids, training=None):
        """Combines the members' rewards; see the class."""
        each = ops.stack([m(ids, training=training) for m in self.members])  # (M, B, 1)
        return self._combine(each)

    def reward(self, ids):
        """Scores ids inside a graph; see `RewardModel.reward`."""
        return self._combine(ops.stack([m.reward(ids) for m in self.members]))

    def _combine(self, each):
        if self.how == "minimum":
            return ops.min(each, axis=0)
        mean = ops.mean(each, axis=0)
        return mean if self.how == "mean" else mean - self.k * ops.std(each, axis=0)

    def encode(self, texts, prompts=None):
        """Encodes as the members do; see `RewardModel.encode`."""
        self.tokenizer  # noqa: B018  (raises if there is none in common)
        return self.members[0].encode(texts, prompts)

    def score_members(self, texts, batch_size=256, prompts=None):
        """Scores strings with every member.

        Args:
            texts, batch_size, prompts: See `RewardModel.score`.

        Returns:
            `(members, n)` float32.
        """
        return np.stack([m.score(texts, batch_size, prompts) for m in self.members])

    def score(self, texts, batch_size=256, prompts=None):
        """Scores strings with all members together.

        Args:
            texts, batch_size, prompts: See `RewardModel.score`.

        Returns:
            `(n,)` float32: ratings, or probabilities from classifiers.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        each = [
            m.rewards_of(m.encode(texts, prompts), batch_size) for m in self.members
        ]
        return self._score(each)

    def _score(self, each):
        """What `score` makes of the members' ratings or logits."""
        together = ops.convert_to_numpy(self._combine(np.stack(each)))
        return self.members[0].in_unit(together)

    def score_aspects(self, texts, batch_size=256, prompts=None):
        """Scores each aspect with all members together.

        Args:
            texts, batch_size, prompts: See `RewardModel.score`.

        Returns:
            A dict from aspect to `(n,)` float32.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        each = [
            m.outputs_of(m.encode(texts, prompts), batch_size) for m in self.members
        ]
        found = self._score(each)
        return {name: found[:, i] for i, name in enumerate(self.aspects)}

    def uncertainty(self, texts, batch_size=256, prompts=None):
        """Returns how far the members are apart.

        Args:
            texts, batch_size, prompts: See `RewardModel.score`.

        Returns:
            `(n,)` float32: the standard deviation of the members' scores.
        """
        return self.score_members(texts, batch_size, prompts).std(axis=0)

    def get_config(self):
        """Returns what rebuilds the ensemble, its members included."""
        return {
            "name": self.name,
            "members": [keras.saving.serialize_keras_object(m) for m in self.members],
            "how": self.how,
            "k": self.k,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the ensemble from `get_config`'s result."""
        members = []
        for member in config["members"]:
            member = keras.saving.deserialize_keras_object(
                member, custom_objects=custom_objects
            )
            member.build()
            members.append(member)
        return cls(**{**config, "members": members})


REWARD_MODELS = (RewardModel, RewardEnsemble)
"""What can be loaded where a reward model is asked for."""
