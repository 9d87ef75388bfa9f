"""Sampling from a language model with a key/value cache."""

from __future__ import annotations

import functools
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from rmkeras.rl.draw import draw, keep_likely, penalize_repeats, uniforms
from rmkeras.text.tokenizer import PAD_ID, pad

GROWTH = 64
"""The cache begins with room for this many new tokens, and doubles when it is full:
attention looks at all of it each turn."""


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
    seen: tf.Tensor  # (B, V), or (B, 0) without penalty
    caches: list


def _turn(options, state, logits, uniform):
    """Draws the next token of each row and notes it."""
    if options.repetition_penalty != 1:
        logits = penalize_repeats(logits, state.seen, options.repetition_penalty)
    logits = keep_likely(logits / options.temperature, options.top_k, options.top_p)
    here = tf.range(uniform.shape[1]) == state.step  # (N,)
    # Taking column `step`, and writing one, as sums: N is small.
    number = tf.reduce_sum(tf.where(here, uniform, 0.0), axis=1)  # (B,)
    token, log_prob = draw(logits, number)
    token = tf.where(state.done, PAD_ID, token)
    log_prob = tf.where(state.done, 0.0, log_prob)
    done = state.done
    for stop in options.stop_ids:
        done = done | (token == stop)
    seen = state.seen
    if options.repetition_penalty != 1:
        seen = seen | (tf.range(seen.shape[1]) == token[:, None])
    return state._replace(
        step=state.step + 1,
        token=token,
        done=done,
        ids=tf.where(here, token[:, None], state.ids),
        log_probs=tf.where(here, log_prob[:, None], state.log_probs),
        seen=seen,
    )


def _begin(model, matrix, prompt_ids, uniform, options, room):
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
        matrix,
    )
    # Rows without any token fill a batch up; nothing is drawn for them.
    done = ~tf.reduce_any(prompt_mask, axis=1)
    seen = tf.zeros((batch, 0), tf.bool)
    if options.repetition_penalty != 1:
        vocabulary = tf.range(logits.shape[-1])
        seen = tf.reduce_any(prompt_ids[:, :, None] == vocabulary, axis=1)
    rows = batch * options.samples
    logits, done, seen, caches = tf.nest.map_structure(
        lambda x: tf.repeat(x, options.samples, axis=0), (logits, done, seen, caches)
    )
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


def _go_on(model, matrix, state, prompt_ids, uniform, options, room, until=None):
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
            matrix,
        )
        return tuple(_turn(options, state._replace(caches=caches), logits, uniform))

    def unfinished(step, token, done, *_):
        return (step < until) & ~tf.reduce_all(done)

    return _State(*tf.while_loop(unfinished, body, tuple(state)))


def _no_complaint(record):
    text = record.getMessage()
    names = ("_begin", "_go_on", "_output_matrix", "_reference_log_probs")
    return "retracing" not in text or not any(f"function {n} " in text for n in names)


def _output_matrix(model):
    return model.output_matrix()


class DecodeFunctions:
    """The two compiled halves of the loop: reading prompts, and drawing on.

    They are two because each growth of the cache is a shape of its own.

    Args:
        compile: Whether to compile with XLA.
    """

    def __init__(self, compile=True):
        # Each model and each shape is traced once, as it should be; TensorFlow
        # takes that for a mistake.
        tf.get_logger().addFilter(_no_complaint)
        # Apart from the rest: XLA would turn the matrix around in every turn.
        self.output_matrix = tf.function(_output_matrix, autograph=False)
        self.begin = tf.function(_begin, autograph=False, jit_compile=compile)
        self.go_on = tf.function(_go_on, autograph=False, jit_compile=compile)


def decode_loop(model, prompt_ids, uniform, options, functions=None):
    """Draws completions, one token a turn: x_t ~ softmax(z_t / T).

    The keys and values of past tokens are kept, so that a turn costs one token and
    not the whole text again. Shapes must be known when the graph is built.

    Args:
        model: A `CausalLM` or `RecurrentLM`: it has `empty_caches`, `grow_caches`,
            `output_matrix` and `decode`.
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
    """
    functions = functions or DecodeFunctions()
    matrix = functions.output_matrix(model)
    total = uniform.shape[1]
    room = min(GROWTH, total)
    state = functions.begin(model, matrix, prompt_ids, uniform, options, room)
    while True:
        state = functions.go_on(
            model, matrix, state, prompt_ids, uniform, options, room
        )
        if room == total:
            break
        room = min(2 * room, total)
        caches = model.grow_caches(state.caches, prompt_ids.shape[1] + room)
        state = state._replace(caches=caches)
    prompts = tf.repeat(prompt_ids, options.samples, axis=0)
    mask = state.ids != PAD_ID
    return Samples(state.ids, state.log_probs, mask, prompts, state.done)


@functools.cache
def _bucket(count):
    """Rounds up: 1, 2, 4, … 64, then multiples of 64, so that few shapes occur."""
    return 1 << (count - 1).bit_length() if count <= 64 else -(-count // 64) * 64


class Sampler:
    """Draws completions from a language model, reproducibly and fast.

    Prompts of all lengths share a batch. Batch and prompt length are filled up to
    a few sizes; for each the loop is compiled once.

    Args:
        model: A `CausalLM` or `RecurrentLM`.
        max_new_tokens: Longest completion in tokens, end-of-text included.
        temperature, top_k, top_p, repetition_penalty: See `SamplingOptions`.
        stop_ids: Tokens that end a text; the tokeniser's end-of-text if `None`.
        compile: Whether to compile with XLA. Without, the first call is quicker
            and all others are slower.

    Example:

    >>> from rmkeras.models import CausalLM
    >>> from rmkeras.rl import Sampler
    >>> from rmkeras.text import SubwordTokenizer
    >>> tokenizer = SubwordTokenizer.train(["a good film"] * 3, vocabulary_size=280)
    >>> model = CausalLM(tokenizer, dim=8, num_layers=1, num_heads=2, max_length=16)
    >>> samples = Sampler(model, max_new_tokens=5)(batch_size=3, seed=0)
    >>> samples.ids.shape
    TensorShape([3, 5])
    """

    def __init__(
        self,
        model,
        max_new_tokens=32,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        repetition_penalty=1.0,
        stop_ids=None,
        compile=True,
    ):
        checks = {
            "max_new_tokens": (max_new_tokens, max_new_tokens >= 1, "1 or more"),
            "temperature": (temperature, temperature > 0, "positive"),
            "top_k": (top_k, top_k >= 0, "0 (for all) or more"),
            "top_p": (top_p, 0 < top_p <= 1, "above 0 and at most 1"),
            "repetition_penalty": (
                repetition_penalty,
                repetition_penalty > 0,
                "positive",
            ),
        }
        for name, (value, fine, expected) in checks.items():
            if not fine:
                raise ValueError(f"{name} is {value}; it must be {expected}")
        if stop_ids is None:
            end = model.tokenizer.end_id
            stop_ids = () if end is None else (end,)
        self.model = model
        self.max_new_tokens = max_new_tokens
        self.options = SamplingOptions(
            float(repetition_penalty),
            float(temperature),
            int(top_k),
            float(top_p),
            tuple(int(i) for i in stop_ids),
        )
        self.functions = DecodeFunctions(compile)
        self._stepwise = DecodeFunctions(compile=False)

    def __call__(self, prompts=None, batch_size=None, seed=0, samples=1, first_row=0):
        """Samples.

        Args:
            prompts: A list of strings, or of lists of ids that begin with
                end-of-text; none to let the model begin `batch_size` texts of its
                own.
            batch_size: Number of texts without prompts.
            seed: An int; the same seed and prompts give the same completions.
            samples: Completions of each prompt; those of one prompt are
                neighbours.
            first_row: Number of the first prompt. A list may be sampled in parts:
                with this set, each part draws what the whole would.

        Returns:
            `Samples`, `batch · samples` rows.

        Raises:
            ValueError: If prompt and completion do not fit the model's length, or
                if neither prompts nor a batch size is given.
        """
        rows = self._rows(prompts, batch_size)
        if not rows:
            raise ValueError("there are no prompts; give one or more, or batch_size")
        longest = max(map(len, rows))
        # One column is all that texts without a prompt need.
        length = longest if longest == 1 else -(-longest // 16) * 16
        ids = pad([*rows, *[[]] * (_bucket(len(rows)) - len(rows))], length, left=True)
        numbers = np.zeros((len(ids) * samples, self.max_new_tokens), "float32")
        real = len(rows) * samples
        numbers[:real] = uniforms(seed, real, self.max_new_tokens, first_row * samples)
        found = decode_loop(
            self.model,
            tf.constant(ids),
            tf.constant(numbers),
            self.options._replace(samples=samples),
            self.functions,
        )
        found = Samples(*(x[:real] for x in found))
        return found._replace(prompt_ids=found.prompt_ids[:, length - longest :])

    def _rows(self, prompts, batch_size):
        if prompts is None:
            if batch_size is None:
                raise ValueError("give prompts or batch_size")
            rows = [self.model.start_ids] * batch_size
        elif len(prompts) and isinstance(prompts[0], str):
            rows = self.model.encode_prompts(prompts)
        else:
            rows = [list(map(int, row)) for row in prompts]
        if any(not row for row in rows):
            raise ValueError(
                "a prompt has no token; let it begin with end-of-text, as "
                "model.encode_prompts(texts) does"
            )
        longest = max(map(len, rows), default=0) + self.max_new_tokens
        if longest > self.model.max_length + 1:
            raise ValueError(
                f"prompt and completion may take {longest - 1} tokens and the model "
                f"has {self.model.max_length} positions; shorten the prompt or "
                "max_new_tokens"
            )
        return rows

    def texts(self, prompts=None, batch_size=None, seed=0, samples=1):
        """Samples and decodes: a list of strings, prompts left out."""
        found = self(prompts, batch_size, seed, samples)
        ids = keras.ops.convert_to_numpy(found.ids)
        stops = self.options.stop_ids
        rows = [[i for i in row if i not in stops] for row in ids]
        return self.model.tokenizer.decode(rows)

    def stream(self, prompt="", seed=0, first_row=0):
        """Samples one completion and yields it piece by piece.

        Args:
            prompt: A string.
            seed: An int; the text is that of `texts([prompt], seed=seed)`.
            first_row: As for a call.

        Yields:
            Strings that make up the completion.
        """
        rows = self._rows([prompt], None)
        ids = tf.constant(pad(rows, -(-len(rows[0]) // 16) * 16, left=True))
        number = tf.constant(uniforms(seed, 1, self.max_new_tokens, first_row))
        room = self.max_new_tokens
        matrix = self._stepwise.output_matrix(self.model)
        state = self._stepwise.begin(
            self.model, matrix, ids, number, self.options, room
        )
        options, shown = self.options, ""
        for _ in range(room):
            row = keras.ops.convert_to_numpy(state.ids)[0]
            row = [i for i in row if i != PAD_ID and i not in options.stop_ids]
            text = self.model.tokenizer.decode([row])[0]
            last = bool(state.done[0]) or int(state.step) == room
            # A character of several bytes is shown when it is whole.
            if text.startswith(shown) and (last or not text.endswith("\ufffd")):
                yield text[len(shown) :]
                shown = text
            if last:
                return
            state = self._stepwise.go_on(
                self.model, matrix, state, ids, number, options, room, state.step + 1
            )
