"""What a model makes of completions, its frozen copy, and how long a step took."""

from __future__ import annotations

import time

import tensorflow as tf


def frozen_copy(model):
    """A second model with the same weights, not trainable: the reference.

    Args:
        model: A built language model.

    Returns:
        A model of the same class.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rl import frozen_copy
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> reference = frozen_copy(model)
    >>> len(reference.trainable_variables), len(reference.weights) == len(model.weights)
    (0, True)
    """
    copy = model.__class__.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    copy.trainable = False
    return copy


def completion_log_probs(model, prompt_ids, ids, temperature=1.0):
    """Log-probabilities of completions, and what they were computed from.

    Args:
        model: A language model.
        prompt_ids: `(batch, prompt)`, padded on the left.
        ids: `(batch, length)`, padded on the right.
        temperature: The temperature they were sampled at.

    Returns:
        `(batch, length)` log-probabilities, `(batch, length, vocabulary)` logits
        and `(batch, length, dim)` hidden states.
    """
    hidden = model.completion_states(prompt_ids, ids)
    log_probs = model.token_log_probs(hidden, ids, temperature)
    # In a graph, logits that nobody asks for are never computed.
    return log_probs, model.to_logits(hidden), hidden


def mean_entropy(logits, mask):
    """Mean entropy of the next token's distribution, in nats.

    Args:
        logits: `(batch, length, vocabulary)`.
        mask: `(batch, length)`.

    Returns:
        A scalar.
    """
    log_p = tf.nn.log_softmax(logits)
    # Where p is 0, log p is −∞ or nearly so; 0 · log 0 counts as 0.
    entropy = -tf.reduce_sum(tf.exp(log_p) * tf.maximum(log_p, -1e4), axis=-1)
    return tf.reduce_sum(entropy * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)


class Clock:
    """Seconds by phase; waits for the phase's result, so that it counts there."""

    def __init__(self):
        self.seconds, self.last = {}, time.perf_counter()

    def __call__(self, phase, result):
        """Notes a phase's seconds; `result` is a tensor to wait for, or `None`."""
        if result is not None:
            result.numpy()
        now = time.perf_counter()
        self.seconds[phase] = now - self.last
        self.last = now
