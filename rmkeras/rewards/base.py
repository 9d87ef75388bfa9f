"""The protocol that every reward follows, and rewards written as plain functions."""

from __future__ import annotations

import contextlib
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
        wants: Which of the same it takes where they are given, and does without.
        options: Names of attributes that make it this reward and no other, see
            `decides`.
        resting: Whether scoring may change nothing at present, see `at_rest`.
        looks_at_batch: Whether a text's score may depend on the others scored with it
            or before it; then a batch is never scored in parts.

    Example:

    >>> from rmkeras.rewards import Reward
    >>> class Shouting(Reward):
    ...     name = "shouting"
    ...     def score(self, texts):
    ...         return [text.count("!") for text in texts]
    >>> Shouting()(["good!", "good"]).tolist()
    [1.0, 0.0]
    """

    name = "reward"
    needs = ()
    wants = ()
    options = ()
    resting = False
    looks_at_batch = False

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
                f"the reward {self.name} failed {self._where(texts, context)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if scores.shape != (len(texts),):
            raise RmkerasError(
                f"the reward {self.name} returned scores of shape {scores.shape} for "
                f"{len(texts)} texts{self._wrong_alone(texts, context)}; expected one "
                "score a text"
            )
        check_finite(scores, texts, self.name)
        return scores

    def _where(self, texts, context):
        """Which text it fails on, if it fails on one alone as well."""
        for i, text in enumerate(texts):
            try:
                alone = {k: [v[i]] for k, v in context.items()}
                np.asarray(self.score([text], **alone), "float32")
            except Exception:
                return f"on {text[:80]!r}, text {i + 1} of {len(texts)}"
        return f"on a batch of {len(texts)} texts, though on none of them alone"

    def _wrong_alone(self, texts, context):
        """Names the first text that gets no single score when it is alone."""
        for i, text in enumerate(texts):
            alone = {k: [v[i]] for k, v in context.items()}
            with contextlib.suppress(Exception):
                if np.shape(self.score([text], **alone)) == (1,):
                    continue
            return f", and no single one for {text[:80]!r} alone"
        return f", the first of them {texts[0][:80]!r}" if texts else ""

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
        taken = [*self.needs, *(n for n in self.wants if given[n] is not None)]
        return {name: list(given[name]) for name in dict.fromkeys(taken)}

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

    def inner(self):
        """Returns the rewards that this one is made of, a sequence."""
        return ()

    @contextlib.contextmanager
    def at_rest(self):
        """While it lasts scoring is measuring: no weights adapt, nobody is asked.

        Example:

        >>> from rmkeras.rewards import FunctionReward, WeightedSum
        >>> length = FunctionReward(lambda texts: [len(t) for t in texts], "length")
        >>> total = WeightedSum([length], adapt="scale")
        >>> with total.at_rest():
        ...     scores = total(["a good film", "a film"])
        >>> total.state()["arrays"][1:]  # nothing was noted
        [None, None, None]
        """
        before, state = self.resting, self.state()
        self.resting = True
        try:
            with contextlib.ExitStack() as stack:
                for reward in self.inner():
                    stack.enter_context(reward.at_rest())
                yield self
        finally:
            self.resting = before
            self.load_state(state)

    def decides(self):
        """What makes it this reward and no other, for a run that is resumed.

        Returns:
            A dict for JSON; it does not change while a policy is trained.
        """
        options = {name: _plain(getattr(self, name)) for name in self.options}
        return {"kind": type(self).__name__, "name": self.name, **options}

    def state(self):
        """Returns what the reward has learned meanwhile, a dict for JSON."""
        return {}

    def load_state(self, state):
        """Takes back what `state` returned, when a run is resumed."""


def _plain(value):
    """An option as JSON has it; a number that was computed, to six digits."""
    value = getattr(value, "pattern", value)
    value = value.item() if isinstance(value, np.generic) else value
    return float(f"{value:.6g}") if isinstance(value, float) else value


def check_finite(scores, texts, name):
    """Refuses scores that are no numbers, and names the first text that has one.

    Args:
        scores: `(n,)` floats.
        texts: `n` strings.
        name: The reward's name.

    Raises:
        RmkerasError: If a score is NaN or infinite.
    """
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise RmkerasError(
            f"the reward {name} returned {scores[bad[0]]} for "
            f"{texts[bad[0]][:80]!r}; expected a finite number"
        )


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
