"""The protocol that every reward follows, and rewards written as plain functions."""

from __future__ import annotations

import inspect

import numpy as np

from rmkeras.errors import RmkerasError

CONTEXT = ("prompts", "references")
"""What a reward may ask for beside the completions."""


class Reward:
    """Completions in, scores out; prompts and references beside them, if asked for.

    A subclass writes `score`. One that can be computed inside a `tf.function`
    also overrides `score_ids`, which saves the way through Python strings.

    Attributes:
        name: What messages and tables call it.
        needs: Which of `"prompts"` and `"references"` (a wanted completion for
            each prompt) `score` takes as arguments of that name.
    """

    name = "reward"
    needs = ()

    def score(self, texts, **context):
        """Scores `n` strings; returns an array `(n,)`."""
        raise NotImplementedError

    def __call__(self, texts, prompts=None, references=None):
        """Scores and checks: a score a text, all of them finite.

        Args:
            texts: A list of `n` strings.
            prompts: What the texts go on from or answer, `n` strings, or `None`.
            references: What people wrote there, `n` strings, or `None`.

        Returns:
            A NumPy array `(n,)` of float32.

        Raises:
            RmkerasError: If the reward fails, lacks what it needs, gives another
                number of scores than there are texts, or a score that is not
                finite; the text is named.
        """
        texts = list(texts)
        context = self._context(prompts, references)
        try:
            scores = np.asarray(self.score(texts, **context), "float32")
        except RmkerasError:
            raise
        except Exception as error:
            raise RmkerasError(
                f"the reward {self.name} failed on a batch of {len(texts)} texts that "
                f"begins with {texts[0][:80]!r}: {type(error).__name__}: {error}"
                if texts
                else f"the reward {self.name} failed on no texts: {error}"
            ) from error
        if scores.shape != (len(texts),):
            raise RmkerasError(
                f"the reward {self.name} returned scores of shape {scores.shape} for "
                f"{len(texts)} texts; expected one score a text"
            )
        bad = np.flatnonzero(~np.isfinite(scores))
        if len(bad):
            raise RmkerasError(
                f"the reward {self.name} returned {scores[bad[0]]} for "
                f"{texts[bad[0]][:80]!r}; expected a finite number"
            )
        return scores

    def _context(self, prompts, references):
        given = {"prompts": prompts, "references": references}
        for name in self.needs:
            if given[name] is None:
                raise RmkerasError(
                    f"the reward {self.name} needs {name} and got none; "
                    + (
                        "give a file with the fields prompt and completion"
                        if name == "references"
                        else "give prompts"
                    )
                )
        return {name: list(given[name]) for name in self.needs}

    def in_graph(self, tokenizer):
        """Whether `score_ids` computes with tensors alone, for these ids."""
        return False

    def score_ids(self, ids, tokenizer):
        """Scores token ids from inside a graph.

        Args:
            ids: `(batch, length)` int32 tensor, 0 is padding.
            tokenizer: The `SubwordTokenizer` that the ids belong to.

        Returns:
            `(batch,)` float32 tensor, without gradient.
        """
        import tensorflow as tf

        scores = tf.numpy_function(
            lambda rows: self(tokenizer.decode(rows)), [ids], tf.float32
        )
        return tf.ensure_shape(scores, (None,))

    def state(self):
        """Returns what the reward has learned meanwhile, a dict for JSON."""
        return {}

    def load_state(self, state):
        """Takes back what `state` returned, when a run is resumed."""


class FunctionReward(Reward):
    """Any Python function from a list of strings to scores, as a reward.

    Args:
        function: Called with a list of `n` strings; returns `n` numbers. If it has
            parameters named `prompts` or `references`, it gets these too.
        name: What messages call it; the function's own name by default.

    Example:

    >>> from rmkeras.rewards import FunctionReward
    >>> shout = FunctionReward(lambda texts: [t.count("!") for t in texts], "shout")
    >>> shout(["wow!!", "hm"]).tolist()
    [2.0, 0.0]
    """

    def __init__(self, function, name=None):
        self.function = function
        self.name = name or getattr(function, "__name__", "function")
        try:
            parameters = inspect.signature(function).parameters
        except (TypeError, ValueError):  # Some callables written in C have none.
            parameters = {}
        self.needs = tuple(name for name in CONTEXT if name in parameters)

    def score(self, texts, **context):
        """Calls the function."""
        return self.function(texts, **context)
