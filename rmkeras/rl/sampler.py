"""Sampling from a language model: prompts of all lengths, one seed, one batch."""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf

from rmkeras.rl.decoding import (
    DecodeFunctions,
    Samples,
    SamplingOptions,
    decode_loop,
)
from rmkeras.rl.draw import uniforms
from rmkeras.text.tokenizer import PAD_ID, pad


@functools.cache
def _bucket(count):
    """Rounds up: 1, 2, 4, … 64, then multiples of 64, so that few shapes occur."""
    return 1 << (count - 1).bit_length() if count <= 64 else -(-count // 64) * 64


def prompt_width(longest):
    """Rounds up: 1 (all that texts without a prompt need), 8, then multiples of 16.

    Args:
        longest: Tokens of the longest prompt.

    Returns:
        To how many places prompts are padded; few numbers, so that few shapes occur.

    Example:

    >>> from rmkeras.rl.sampler import prompt_width
    >>> [prompt_width(n) for n in (1, 7, 9, 33)]
    [1, 8, 16, 48]
    """
    return next((n for n in (1, 8) if longest <= n), -(-longest // 16) * 16)


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
        length = prompt_width(longest)
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
        ids = tf.constant(pad(rows, prompt_width(len(rows[0])), left=True))
        number = tf.constant(uniforms(seed, 1, self.max_new_tokens, first_row))
        room = self.max_new_tokens
        weights = self.model.decoding_weights()
        state = self._stepwise.begin(
            self.model, weights, ids, number, self.options, room
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
                self.model, weights, state, ids, number, options, room, state.step + 1
            )
