"""Tokens hidden at random, for masked language models."""

from __future__ import annotations

import numpy as np

SPECIAL_IDS = 2
"""Ids below this are padding and end-of-text; they are neither hidden nor drawn."""


def mask_tokens(ids, vocabulary_size, mask_id, seed, rate=0.15):
    """Hides tokens that a model is to guess from those on both sides.

    Each token is chosen with probability `rate`. Of the chosen, 80 % become
    `mask_id`, 10 % another token drawn at random and 10 % stay: the model must not
    rely on an unmasked token being right, as no token will be masked when it is
    used.

    Args:
        ids: `(rows, length)` ints; padding (0) and end-of-text (1) are never chosen.
        vocabulary_size: Random tokens are drawn from below this.
        mask_id: What stands for a hidden token.
        seed: An int or a list of ints.
        rate: Share of the tokens that are to be guessed.

    Returns:
        The inputs and the targets, both `(rows, length)` int32; a target is 0
        where nothing is to be guessed.

    Raises:
        ValueError: If `rate` is not between 0 and 1.

    Example:

    >>> import numpy as np
    >>> from rmkeras.data import mask_tokens
    >>> inputs, targets = mask_tokens(np.full((1, 6), 7), 20, mask_id=20, seed=8,
    ...                               rate=0.5)
    >>> inputs.tolist(), targets.tolist()
    ([[20, 7, 20, 7, 7, 20]], [[7, 0, 7, 0, 0, 7]])

    Source: Devlin et al. (2019), "BERT", section 3.1, task 1, and appendix A.1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate is {rate}; it must lie between 0 and 1")
    ids = np.asarray(ids, "int32")
    generator = np.random.default_rng(seed)
    number = generator.random(ids.shape)
    other = generator.integers(SPECIAL_IDS, vocabulary_size, ids.shape)
    chosen = (ids >= SPECIAL_IDS) & (number < rate)
    # Among the chosen, number / rate is uniform again: one draw decides both.
    inputs = np.where(chosen & (number < 0.8 * rate), mask_id, ids)
    swapped = chosen & (number >= 0.8 * rate) & (number < 0.9 * rate)
    inputs = np.where(swapped, other, inputs)
    return inputs.astype("int32"), np.where(chosen, ids, 0).astype("int32")
