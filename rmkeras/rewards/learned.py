"""A trained reward model as a reward."""

from __future__ import annotations

import hashlib

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

    options = ("shift", "scale")

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
        """True if the tokenisers agree, members cut alike, and no prompt is read."""
        members = getattr(self.model, "members", [self.model])
        return (
            not self.needs
            and all(tokenizer == m.tokenizer for m in members)
            and len({(m.max_length, m.cut) for m in members}) == 1
        )

    def score_ids(self, ids, tokenizer):
        """Scores ids in the graph where the tokenisers agree; see `Reward`."""
        if not self.in_graph(tokenizer):
            return super().score_ids(ids, tokenizer)
        member = getattr(self.model, "members", [self.model])[0]
        ids = as_encoded(
            ids, member.max_length, tokenizer.start_ids, tokenizer.end_id, member.cut
        )
        return (self.model.reward(ids) - self.shift) / self.scale

    def decides(self):
        """See `Reward.decides`; where the model lies does not matter."""
        return {
            "kind": type(self).__name__,
            **what_model(self.model),
            **{k: v for k, v in super().decides().items() if k in self.options},
            "needs": [*self.needs],
        }


def as_encoded(ids, max_length, start=(), end_id=None, cut="end"):
    """Frames and cuts completions in a graph as `RewardModel.encode` does texts.

    Args:
        ids: `(batch, length)` ints, padded on the right; end-of-text comes last where
            a completion has one.
        max_length: Longest result.
        start: Ids that stand in front.
        end_id: Comes last in each row, also where it was missing or cut; `None` if
            there is none.
        cut: Which part of a longer row is lost, its `"end"` or its `"beginning"`.

    Returns:
        An int tensor as wide as the ids, more if something was added and less if
        `max_length` is.

    Example:

    >>> from rmkeras.rewards.learned import as_encoded
    >>> as_encoded([[5, 6, 1], [5, 6, 7]], 4, end_id=1).numpy().tolist()
    [[5, 6, 1, 0], [5, 6, 7, 1]]
    >>> as_encoded([[5, 6, 1], [5, 6, 7]], 3, end_id=1).numpy().tolist()
    [[5, 6, 1], [5, 6, 1]]
    """
    import tensorflow as tf

    ids, before, after = tf.convert_to_tensor(ids), len(start), int(end_id is not None)
    width = tf.shape(ids)[1]
    whole = tf.reduce_sum(tf.cast(ids != 0, tf.int32), axis=1)  # (B,)
    if after:
        last = tf.gather(ids, tf.maximum(whole - 1, 0), axis=1, batch_dims=1)
        whole -= tf.cast(last == end_id, tf.int32)
    kept = tf.minimum(whole, max_length - before - after)
    lost = whole - kept if cut == "beginning" else tf.zeros_like(kept)
    # Where nothing is added the width stays: another one would change last bits.
    widest = tf.maximum(width, tf.reduce_max(kept) + after) + before
    at = tf.range(tf.minimum(widest, max_length))[None] - before  # (1, W)
    source = tf.clip_by_value(at + lost[:, None], 0, width - 1)  # (B, W)
    found = tf.gather(ids, source, axis=1, batch_dims=1)
    found = tf.where(at < kept[:, None], found, 0)
    if after:
        found = tf.where(at == kept[:, None], tf.cast(end_id, ids.dtype), found)
    if before:
        first = tf.constant([start], ids.dtype)
        first = tf.tile(first, [tf.shape(ids)[0], 1])
        found = tf.concat([first, found[:, before:]], axis=1)
    return found


def what_model(model):
    """Names a reward model by its weights, for `Reward.decides`.

    Args:
        model: A `RewardModel` or a `RewardEnsemble`.

    Returns:
        A dict for JSON; empty for what scores texts and is no Keras model.
    """
    if not hasattr(model, "get_weights"):
        return {}
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    found = {"model": digest.hexdigest()[:12]}
    if hasattr(model, "members"):
        found |= {"how": model.how, "k": float(model.k)}
    return found
