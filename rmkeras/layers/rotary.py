"""Rotary position embeddings."""

from __future__ import annotations

from keras import ops


def rotate(x, positions, base=10_000.0):
    """Turns each pair of coordinates by an angle that grows with the position.

    (x_i, x_{i+d/2}) is turned by θ_i t at position t, with θ_i = base^(−2i/d). The
    product of a query at t and a key at s then depends on t − s alone, so that
    attention knows distances and no table of positions is learned.

    Args:
        x: `(batch, length, heads, d)`, with d even.
        positions: `(batch, length)` ints.
        base: How slowly the slowest pair turns.

    Returns:
        A tensor of the same shape and dtype.

    Raises:
        ValueError: If d is odd.

    Example:

    >>> import math
    >>> from keras import ops
    >>> from rmkeras.layers import rotate
    >>> x = ops.array([[[[1.0, 0.0]]]])
    >>> y = rotate(x, ops.array([[3]])).numpy().ravel()
    >>> bool(abs(y - [math.cos(3), math.sin(3)]).max() < 1e-6)
    True

    Source: Su et al. (2021), "RoFormer", equation 34, with the halves paired as in
    Llama.
    """
    d = x.shape[-1]
    if d % 2:
        raise ValueError(f"heads are {d} wide; rotary positions need an even width")
    speed = base ** (-2.0 * ops.arange(d // 2, dtype="float32") / d)  # (d/2,)
    angle = ops.cast(positions, "float32")[..., None] * speed  # (B, L, d/2)
    cos, sin = ops.cos(angle)[:, :, None], ops.sin(angle)[:, :, None]  # (B, L, 1, d/2)
    first, second = ops.split(ops.cast(x, "float32"), 2, axis=-1)
    turned = [first * cos - second * sin, second * cos + first * sin]
    return ops.cast(ops.concatenate(turned, axis=-1), x.dtype)
