"""Drawing one token from logits: what is kept, what is drawn, how likely it was."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

NEVER = -1e9


def uniforms(seed, rows, steps, first_row=0):
    """Random numbers in [0, 1) that belong to a row, whatever batch it is in.

    Row i's numbers are those of a Philox generator with key (`seed`, i). They are
    drawn here, outside of the graph: one number a token is enough to sample, and
    any number of rows, devices or calls draws the same texts.

    Args:
        seed: A non-negative int below 2⁶⁴.
        rows: Number of rows.
        steps: Numbers a row.
        first_row: Number of the first row.

    Returns:
        A NumPy array `(rows, steps)` of float32.

    Example:

    >>> from rmkeras.rl.draw import uniforms
    >>> bool((uniforms(7, 4, 3)[2:] == uniforms(7, 2, 3, first_row=2)).all())
    True

    Source: Salmon et al. (2011), "Parallel Random Numbers: As Easy as 1, 2, 3".
    """
    numbers = np.empty((rows, steps), "float32")
    for i in range(rows):
        key = np.array([seed, first_row + i], "uint64")
        generator = np.random.Generator(np.random.Philox(key=key))
        numbers[i] = generator.random(steps, dtype="float32")
    return numbers


def penalize_repeats(logits, seen, penalty):
    """Makes tokens that were there before less likely.

    z ← z / penalty if z > 0, else z · penalty, for tokens that were seen.

    Args:
        logits: `(batch, vocabulary_size)`.
        seen: Booleans of the same shape: tokens of the prompt and the completion.
        penalty: Above 1 discourages, below 1 encourages, 1 changes nothing.

    Returns:
        `(batch, vocabulary_size)`.

    Example:

    >>> import tensorflow as tf
    >>> from rmkeras.rl.draw import penalize_repeats
    >>> seen = tf.constant([[True, True, False]])
    >>> penalize_repeats(tf.constant([[2.0, -1.0, 3.0]]), seen, 2.0).numpy().tolist()
    [[1.0, -2.0, 3.0]]

    Source: Keskar et al. (2019), "CTRL", equation 2, with the sign taken into
    account, as transformers does.
    """
    changed = tf.where(logits > 0, logits / penalty, logits * penalty)
    # What can never be drawn stays where it is.
    return tf.where(seen & (logits > NEVER / 2), changed, logits)


def keep_likely(logits, top_k=0, top_p=1.0):
    """Leaves only the k most probable tokens, and of these the nucleus.

    The nucleus is the smallest set of most probable tokens whose probability
    together is at least p. Both sets are "all tokens above some bound", and the
    bound is found by bisection over all floating-point numbers, 30 passes over the
    logits. Sorting a row of the vocabulary would cost far more.

    Args:
        logits: `(batch, vocabulary_size)`.
        top_k: k; 0 for all.
        top_p: p, above 0 and at most 1; 1 for all.

    Returns:
        `(batch, vocabulary_size)`, with −10⁹ at what is not kept. Tokens exactly as
        probable as the last one kept are kept too.

    Example:

    >>> import tensorflow as tf
    >>> from rmkeras.rl.draw import keep_likely
    >>> logits = tf.math.log([[0.5, 0.3, 0.15, 0.05]])
    >>> (keep_likely(logits, top_p=0.7) > -1e8).numpy().tolist()
    [[True, True, False, False]]

    Source: Fan, Lewis and Dauphin (2018), section 5.4, for top-k; Holtzman et al.
    (2020), "The Curious Case of Neural Text Degeneration", equations 2 and 3.
    """
    size = logits.shape[-1]
    if not (0 < top_k < size or top_p < 1):
        return logits
    # In [0, 1], where the bits of a float, read as an integer, grow with it.
    mass = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True))  # (B, V)
    if 0 < top_k < size:
        kept = _above(
            mass, tf.ones_like(mass), tf.fill(tf.shape(mass)[:1], float(top_k))
        )
        mass = tf.where(kept, mass, 0.0)
        logits = tf.where(kept, logits, NEVER)
    if top_p < 1:
        kept = _above(mass, mass, top_p * tf.reduce_sum(mass, axis=-1))
        logits = tf.where(kept, logits, NEVER)
    return logits


def _above(values, weights, need):
    """Which values lie at or above the highest bound that keeps enough weight."""
    bits = tf.bitcast(values, tf.int32)  # (B, V)
    low = tf.zeros_like(need, tf.int32)
    high = tf.fill(tf.shape(need), tf.bitcast(tf.constant(1.0), tf.int32))

    def halve(_, low, high):
        middle = low + (high - low + 1) // 2
        kept = tf.where(bits >= middle[:, None], weights, 0.0)
        enough = tf.reduce_sum(kept, axis=-1) >= need
        return _ + 1, tf.where(enough, middle, low), tf.where(enough, high, middle - 1)

    _, low, _ = tf.while_loop(lambda i, *_: i < 31, halve, (0, low, high))
    return bits >= low[:, None]


def draw(logits, uniform):
    """Draws a token a row by inverting the cumulative distribution.

    token = min {i : Σ_{j≤i} p_j > u},   p = softmax(z)

    In two levels: first the block of about √V tokens in which the sum passes u,
    then the token in it. So it costs one exponential a logit, which the
    log-probability needs anyway, and no noise for each of them.

    Args:
        logits: `(batch, vocabulary_size)` float32.
        uniform: `(batch,)` in [0, 1).

    Returns:
        Tokens `(batch,)` int32 and their log-probabilities `(batch,)`.

    Example:

    >>> import tensorflow as tf
    >>> from rmkeras.rl.draw import draw
    >>> logits = tf.math.log([[0.2, 0.5, 0.3]] * 3)
    >>> draw(logits, tf.constant([0.1, 0.6, 0.9]))[0].numpy().tolist()
    [0, 1, 2]

    Source: Devroye (1986), "Non-Uniform Random Variate Generation", section III.2.
    """
    size = logits.shape[-1]
    width = max(1, math.isqrt(size))
    count = -(-size // width)
    top = tf.reduce_max(logits, axis=-1)  # (B,)
    mass = tf.exp(logits - top[:, None])  # (B, V)
    mass = tf.pad(mass, [[0, 0], [0, count * width - size]])
    blocks = tf.reshape(mass, (-1, count, width))
    sums = tf.matmul(tf.reduce_sum(blocks, axis=-1), _triangle(count))  # (B, count)
    target = uniform * sums[:, -1]  # (B,)
    block = _first_above(sums, target)
    before = tf.where(
        block > 0, tf.gather(sums, tf.maximum(block - 1, 0), batch_dims=1), 0.0
    )
    inside = tf.gather(blocks, block, batch_dims=1)  # (B, width)
    place = _first_above(tf.matmul(inside, _triangle(width)), target - before)
    # Rounding may leave the target just above the block's sum, and then the last
    # token there that has any probability is meant.
    last = width - 1 - tf.argmax(inside[:, ::-1] > 0, axis=-1, output_type=tf.int32)
    token = block * width + tf.minimum(place, last)
    log_prob = tf.gather(logits, token, batch_dims=1) - top - tf.math.log(sums[:, -1])
    return token, log_prob


def _first_above(sums, target):
    below = tf.reduce_sum(tf.cast(sums <= target[:, None], tf.int32), axis=-1)
    return tf.minimum(below, sums.shape[-1] - 1)


def _triangle(size):
    # Sums from the left as one small product; scanning is slow where compiled.
    return tf.constant(np.triu(np.ones((size, size), "float32")))
