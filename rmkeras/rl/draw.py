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


def keep_likely(logits, top_k=0, top_p=1.0, axis=-1):
    """Leaves only the k most probable tokens, and of these the nucleus.

    The nucleus is the smallest set of most probable tokens whose probability
    together is at least p. Both sets are "all tokens above some bound", and the
    bound is found by bisection over all floating-point numbers, 30 passes over the
    logits. Sorting a row of the vocabulary would cost far more.

    Args:
        logits: `(batch, vocabulary_size)`.
        top_k: k; 0 for all.
        top_p: p, above 0 and at most 1; 1 for all.
        axis: The axis of the tokens; with 0, `logits` are `(vocabulary_size, batch)`.

    Returns:
        A tensor of the shape of `logits`, with −10⁹ at what is not kept. Tokens exactly as
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
    size = logits.shape[axis]
    if not (0 < top_k < size or top_p < 1):
        return logits
    # In [0, 1], where the bits of a float, read as an integer, grow with it.
    mass = tf.exp(logits - tf.reduce_max(logits, axis=axis, keepdims=True))  # (B, V)
    if 0 < top_k < size:
        kept = _above(mass, tf.ones_like(mass), float(top_k), axis)
        mass = tf.where(kept, mass, 0.0)
        logits = tf.where(kept, logits, NEVER)
    if top_p < 1:
        need = top_p * tf.reduce_sum(mass, axis=axis, keepdims=True)
        kept = _above(mass, mass, need, axis)
        logits = tf.where(kept, logits, NEVER)
    return logits


def _above(values, weights, need, axis):
    """Which values lie at or above the highest bound that keeps enough weight."""
    bits = tf.bitcast(values, tf.int32)  # (B, V)
    low = tf.zeros_like(tf.reduce_max(bits, axis=axis, keepdims=True))  # (B, 1)
    high = low + tf.bitcast(tf.constant(1.0), tf.int32)

    def halve(_, low, high):
        middle = low + (high - low + 1) // 2
        kept = tf.where(bits >= middle, weights, 0.0)
        enough = tf.reduce_sum(kept, axis=axis, keepdims=True) >= need
        return _ + 1, tf.where(enough, middle, low), tf.where(enough, high, middle - 1)

    _, low, _ = tf.while_loop(lambda i, *_: i < 31, halve, (0, low, high))
    return bits >= low


def draw(logits, uniform, axis=-1):
    """Draws a token a row by inverting the cumulative distribution.

    token = min {i : Σ_{j≤i} p_j > u},   p = softmax(z)

    In two levels: first the block of about √V tokens in which the sum passes u,
    then the token in it. So it costs one exponential a logit, which the
    log-probability needs anyway, and no noise for each of them.

    Args:
        logits: `(batch, vocabulary_size)` float32.
        uniform: `(batch,)` in [0, 1).
        axis: The axis of the tokens; with 0, `logits` are `(vocabulary_size, batch)`,
            which is what the sampler has and is not turned around.

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
    logits = logits if axis == 0 else tf.transpose(logits)  # (V, B)
    size = logits.shape[0]
    width = max(1, math.isqrt(size))
    whole = size // width * width
    top = tf.reduce_max(logits, axis=0)  # (B,)
    mass = tf.exp(logits - top)  # (V, B)
    # The last block may be smaller. Padding it would copy all of them.
    sums = tf.reduce_sum(tf.reshape(mass[:whole], (size // width, width, -1)), axis=1)
    if whole < size:
        rest = tf.reduce_sum(mass[whole:], axis=0, keepdims=True)
        sums = tf.concat([sums, rest], axis=0)
    # Sums from above as one small product; scanning is slow where compiled.
    sums = tf.matmul(_triangle(sums.shape[0]), sums)  # (count, B)
    target = uniform * sums[-1]  # (B,)
    block = _first_above(sums, target)
    is_before = tf.range(sums.shape[0])[:, None] == block - 1
    before = tf.reduce_sum(tf.where(is_before, sums, 0.0), axis=0)
    places = block * width + tf.range(width)[:, None]  # (width, B)
    inside = _pick(mass, tf.minimum(places, size - 1))
    inside = tf.where(places < size, inside, 0.0)
    place = _first_above(tf.matmul(_triangle(width), inside), target - before)
    # Rounding may leave the target just above the block's sum, and then the last
    # token there that has any probability is meant.
    last = width - 1 - tf.argmax(inside[::-1] > 0, axis=0, output_type=tf.int32)
    token = block * width + tf.minimum(place, last)
    return token, _pick(logits, token) - top - tf.math.log(sums[-1])


def _pick(table, rows):
    """Takes entry `rows[..., b]` of each column b of `table`."""
    columns = tf.broadcast_to(tf.range(tf.shape(table)[1]), tf.shape(rows))
    return tf.gather_nd(table, tf.stack([rows, columns], axis=-1))


def _first_above(sums, target):
    below = tf.reduce_sum(tf.cast(sums <= target, tf.int32), axis=0)
    return tf.minimum(below, sums.shape[0] - 1)


def _triangle(size):
    return tf.constant(np.tril(np.ones((size, size), "float32")))
