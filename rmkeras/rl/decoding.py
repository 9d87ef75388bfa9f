"""The loop that draws one token after another, with a key/value cache."""

from __future__ import annotations

import functools
import os
from typing import NamedTuple

import tensorflow as tf
from keras import ops

from rmkeras.rl.draw import draw, keep_likely, penalize_repeats
from rmkeras.text.tokenizer import PAD_ID

GROWTH = 32
"""The cache begins with room for this many new tokens, and doubles when it is full:
attention reads all of it each turn, and reading is what takes time. But each size is
compiled anew, which takes a second or two, so it does not begin with less."""


PART = 32
"""A batch is sampled in as many parts of this many texts as there are cores. Much of a
turn, the attention above all, runs on one core; the parts keep all of them busy."""


class Samples(NamedTuple):
    """What a sampler returns; `batch` rows, `length` new tokens at most.

    Attributes:
        ids: `(batch, length)` int32: the completion, end-of-text included, then
            padding.
        log_probs: `(batch, length)` float32: log-probability of each token under
            the distribution that it was drawn from; 0 in padding.
        mask: `(batch, length)` booleans: true up to and with end-of-text.
        prompt_ids: `(batch, prompt_length)` int32, padded on the left.
        ended: `(batch,)` booleans: which completions ended by themselves.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl import Samples
    >>> ids = np.array([[7, 1, 0], [8, 9, 5]])  # 1 is end-of-text
    >>> drawn = Samples(ids, np.log(0.5) * (ids != 0), ids != 0,
    ...                 np.array([[1], [1]]), np.array([True, False]))
    >>> drawn.sequence().shape, drawn.stopped().tolist()
    (TensorShape([2, 4]), [True, False])
    """

    ids: tf.Tensor
    log_probs: tf.Tensor
    mask: tf.Tensor
    prompt_ids: tf.Tensor
    ended: tf.Tensor

    def sequence(self):
        """Returns prompt and completion side by side, `(batch, prompt + length)`."""
        return ops.concatenate([self.prompt_ids, self.ids], axis=1)

    def stopped(self):
        """Returns which completions ended by themselves, `(batch,)` booleans."""
        return self.ended


class SamplingOptions(NamedTuple):
    """How tokens are drawn; applied in this order, which is transformers'.

    Attributes:
        repetition_penalty: See `penalize_repeats`.
        temperature: T in softmax(z / T); below 1 sharpens.
        top_k, top_p: See `keep_likely`.
        stop_ids: Tokens that end a text; they belong to it.
        samples: Completions of each prompt, which is read only once for all.

    Example:

    >>> from rmkeras.rl import SamplingOptions
    >>> SamplingOptions(temperature=0.7, top_p=0.9)._replace(samples=4).samples
    4
    """

    repetition_penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    stop_ids: tuple = ()
    samples: int = 1


class _State(NamedTuple):
    step: tf.Tensor  # () number of tokens drawn
    token: tf.Tensor  # (B,) the last one
    done: tf.Tensor  # (B,)
    ids: tf.Tensor  # (B, N)
    log_probs: tf.Tensor  # (B, N)
    seen: tf.Tensor  # (V, B), or (0, B) without penalty
    caches: list


def _turn(options, state, logits, uniform):
    """Draws the next token of each row from logits `(V, B)` and notes it."""
    if options.repetition_penalty != 1:
        logits = penalize_repeats(logits, state.seen, options.repetition_penalty)
    logits = logits / options.temperature
    logits = keep_likely(logits, options.top_k, options.top_p, axis=0)
    here = tf.range(uniform.shape[1]) == state.step  # (N,)
    # Taking column `step`, and writing one, as sums: N is small.
    number = tf.reduce_sum(tf.where(here, uniform, 0.0), axis=1)  # (B,)
    token, log_prob = draw(logits, number, axis=0)
    token = tf.where(state.done, PAD_ID, token)
    log_prob = tf.where(state.done, 0.0, log_prob)
    done = state.done
    for stop in options.stop_ids:
        done = done | (token == stop)
    seen = state.seen
    if options.repetition_penalty != 1:
        seen = seen | (tf.range(seen.shape[0])[:, None] == token)
    return state._replace(
        step=state.step + 1,
        token=token,
        done=done,
        ids=tf.where(here, token[:, None], state.ids),
        log_probs=tf.where(here, log_prob[:, None], state.log_probs),
        seen=seen,
    )


def _begin(model, weights, prompt_ids, uniform, options, room):
    """Reads the prompts and draws the first token."""
    prompt_mask = prompt_ids != PAD_ID  # (B, P)
    batch, length = prompt_ids.shape
    positions = tf.maximum(tf.cumsum(tf.cast(prompt_mask, tf.int32), axis=1) - 1, 0)
    logits, caches = model.decode(
        prompt_ids,
        tf.pad(prompt_mask, [[0, 0], [0, room]], constant_values=True),
        positions,
        model.empty_caches(batch, length + room),
        0,
        weights,
    )
    # Rows without any token fill a batch up; nothing is drawn for them.
    done = ~tf.reduce_any(prompt_mask, axis=1)
    seen = tf.zeros((0, batch), tf.bool)
    if options.repetition_penalty != 1:
        vocabulary = tf.range(logits.shape[0])[:, None, None]
        seen = tf.reduce_any(prompt_ids == vocabulary, axis=2)
    rows = batch * options.samples
    done, caches = tf.nest.map_structure(
        lambda x: tf.repeat(x, options.samples, axis=0), (done, caches)
    )
    logits, seen = (tf.repeat(x, options.samples, axis=1) for x in (logits, seen))
    empty = tf.zeros((rows, uniform.shape[1]))
    state = _State(
        tf.constant(0),
        tf.zeros((rows,), tf.int32),
        done,
        tf.cast(empty, tf.int32),
        empty,
        seen,
        caches,
    )
    return _turn(options, state, logits, uniform)


def _go_on(model, weights, state, prompt_ids, uniform, options, room, until=None):
    """Draws up to token number `until`, `room` (what the caches hold) by default."""
    prompt_mask = tf.repeat(prompt_ids != PAD_ID, options.samples, axis=0)
    lengths = tf.reduce_sum(tf.cast(prompt_mask, tf.int32), axis=1)  # (B,)
    mask = tf.pad(prompt_mask, [[0, 0], [0, room]], constant_values=True)
    until = room if until is None else until

    def body(*state):
        state = _State(*state)
        logits, caches = model.decode(
            state.token[:, None],
            mask,
            (lengths + state.step - 1)[:, None],
            state.caches,
            prompt_ids.shape[1] + state.step - 1,
            weights,
        )
        return tuple(_turn(options, state._replace(caches=caches), logits, uniform))

    def unfinished(step, token, done, *_):
        return (step < until) & ~tf.reduce_all(done)

    return _State(*tf.while_loop(unfinished, body, tuple(state)))


def _no_complaint(record):
    text = record.getMessage()
    names = ("_begin", "_go_on", "_decode", "_reference_log_probs")
    return "retracing" not in text or not any(n in text for n in names)


def _decode(functions, model, prompt_ids, uniform, options):
    """Reads prompts and draws, in parts that run side by side; returns a `_State`."""
    # Apart from the rest: XLA would turn the matrices around in every turn.
    weights = model.decoding_weights()
    parts = min(os.cpu_count() or 1, max(1, uniform.shape[0] // PART))
    while prompt_ids.shape[0] % parts:
        parts -= 1
    halves = zip(tf.split(prompt_ids, parts), tf.split(uniform, parts), strict=True)
    found = [_decode_part(functions, model, weights, *half, options) for half in halves]
    return [tf.concat(tensors, 0) for tensors in zip(*found, strict=True)]


def _decode_part(functions, model, weights, prompt_ids, uniform, options):
    total = uniform.shape[1]
    room = min(GROWTH, total)
    state = functions.begin(model, weights, prompt_ids, uniform, options, room)
    while True:
        state = functions.go_on(
            model, weights, state, prompt_ids, uniform, options, room
        )
        if room == total:
            return state.ids, state.log_probs, state.done
        room = min(2 * room, total)
        caches = model.grow_caches(state.caches, prompt_ids.shape[1] + room)
        state = state._replace(caches=caches)


class DecodeFunctions:
    """The loop, and its two compiled halves: reading prompts, and drawing on.

    They are two because each growth of the cache is a shape of its own. The loop
    itself is a plain graph, whose independent parts TensorFlow runs at once.

    Args:
        compile: Whether to compile with XLA.
    """

    def __init__(self, compile=True):
        # Each model and each shape is traced once, as it should be; TensorFlow
        # takes that for a mistake.
        tf.get_logger().addFilter(_no_complaint)
        self.decode = tf.function(functools.partial(_decode, self), autograph=False)
        self.begin = tf.function(_begin, autograph=False, jit_compile=compile)
        self.go_on = tf.function(_go_on, autograph=False, jit_compile=compile)


def decode_loop(model, prompt_ids, uniform, options, functions=None):
    """Draws completions, one token a turn: x_t ~ softmax(z_t / T).

    The keys and values of past tokens are kept, so that a turn costs one token and
    not the whole text again. Shapes must be known when the graph is built.

    Args:
        model: A `CausalLM` or `RecurrentLM`: it has `empty_caches`, `grow_caches`,
            `decoding_weights` and `decode`.
        prompt_ids: `(batch, prompt_length)` int32, padded on the left with 0; the
            first real token of each row is end-of-text ("a text begins").
        uniform: `(batch · samples, new_tokens)` in [0, 1), as `uniforms` draws
            them; they decide everything.
        options: `SamplingOptions`. Leave top-k, top-p and the penalty alone when
            samples train a policy: a cut distribution is not π, and a KL computed
            from it can turn negative.
        functions: `DecodeFunctions` to use again; new ones if `None`, which is
            right inside a `tf.function`.

    Returns:
        `Samples`.

    Example:

    >>> import tensorflow as tf
    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rl import SamplingOptions, decode_loop
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> prompt = tf.constant([[tokenizer.end_id]] * 2)
    >>> drawn = decode_loop(model, prompt, tf.zeros((2, 5)), SamplingOptions())
    >>> drawn.ids.shape  # two completions of five tokens
    TensorShape([2, 5])
    """
    functions = functions or DecodeFunctions()
    ids, log_probs, done = functions.decode(model, prompt_ids, uniform, options)
    prompts = tf.repeat(prompt_ids, options.samples, axis=0)
    return Samples(ids, log_probs, ids != PAD_ID, prompts, done)
