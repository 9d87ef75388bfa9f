"""Computing on real tokens only: padding taken out, and put back where needed."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops


class TokenLayout(NamedTuple):
    """Where the real tokens of a padded batch stand.

    Attributes:
        index: `(tokens,)` ints: the place of each token in the flattened batch.
            Behind the real tokens stand a few fillers, see `token_layout`.
        real: Booleans `(tokens,)`, false for fillers.
        inverse: `(batch · length,)` ints: the number of the real token at each
            place; at padding that of some neighbour.
        mask: Booleans `(batch, length)`, true for real tokens.

    Example:

    >>> import numpy as np
    >>> from rmkeras.layers import token_layout
    >>> layout = token_layout(np.array([[True, True], [True, False]]))
    >>> layout.index.numpy().tolist(), layout.real.numpy().tolist()
    ([0, 1, 2], [True, True, True])
    """

    index: Any
    real: Any
    inverse: Any
    mask: Any


def token_layout(mask, multiple=1):
    """Finds the real tokens of a batch.

    Everything in a Transformer but attention treats each token by itself, so it
    can run on the real tokens alone: `remove_padding`, then dense layers on
    `(tokens, dim)`. Attention gets the padded form back from `restore_padding`.

    The number of tokens is known only when the batch is there. So this works
    eagerly and in a `tf.function`, but not under XLA, which wants fixed shapes.

    Args:
        mask: Booleans `(batch, length)`, true for real tokens.
        multiple: The number of tokens is filled up to a multiple of this, with
            copies of the first place that nothing reads. What is compiled for
            each number is then compiled for few.

    Returns:
        A `TokenLayout`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.layers import remove_padding, restore_padding, token_layout
    >>> layout = token_layout(np.array([[True, True], [True, False]]))
    >>> x = np.array([[[1.0], [2.0]], [[3.0], [9.0]]], "float32")
    >>> flat = remove_padding(x, layout)
    >>> flat.numpy().ravel().tolist()
    [1.0, 2.0, 3.0]
    >>> restore_padding(flat, layout).shape
    TensorShape([2, 2, 1])

    Source: Zeng et al. (2022), "Boosting Distributed Training Performance of the
    Unpadded BERT Model", section 3.
    """
    mask = ops.cast(mask, "bool")
    flat = ops.reshape(mask, (-1,))  # (B·L,)
    index = ops.cast(ops.nonzero(flat)[0], "int32")  # (N,)
    count = ops.shape(index)[0]
    fill = -count % multiple
    real = ops.arange(count + fill) < count  # (N,)
    index = ops.pad(index, ((0, fill),))
    inverse = ops.maximum(ops.cumsum(ops.cast(flat, "int32")) - 1, 0)  # (B·L,)
    return TokenLayout(index, real, inverse, mask)


def remove_padding(x, layout):
    """Keeps the real tokens.

    Args:
        x: `(batch, length, dim)`.
        layout: A `TokenLayout`.

    Returns:
        `(tokens, dim)`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.layers import remove_padding, token_layout
    >>> layout = token_layout(np.array([[True, True], [True, False]]))
    >>> x = np.array([[[1.0], [2.0]], [[3.0], [9.0]]], "float32")
    >>> remove_padding(x, layout).numpy().ravel().tolist()
    [1.0, 2.0, 3.0]
    """

    # Left to automatic differentiation, a gather's gradient adds rows up one by
    # one. No row occurs twice here, so that a gather the other way does the same.
    @ops.custom_gradient
    def gather(x):
        def grad(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            back = _to_padded(upstream, layout)
            return ops.where(layout.mask[..., None], back, ops.zeros_like(back))

        return _to_flat(x, layout), grad

    return gather(x)


def restore_padding(flat, layout):
    """Puts the real tokens back into a padded batch.

    Args:
        flat: `(tokens, dim)`.
        layout: A `TokenLayout`.

    Returns:
        `(batch, length, dim)`. Places of padding hold copies of real tokens, so
        whoever reads it has to mask them; nothing flows back from them.

    Example:

    >>> import numpy as np
    >>> from rmkeras.layers import restore_padding, token_layout
    >>> mask = np.array([[True, True], [True, False]])
    >>> flat = np.array([[1.0], [2.0], [3.0]], "float32")
    >>> x = restore_padding(flat, token_layout(mask)).numpy()
    >>> x[mask].ravel().tolist()
    [1.0, 2.0, 3.0]
    """

    @ops.custom_gradient
    def gather(flat):
        def grad(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            flat = _to_flat(upstream, layout)
            # Fillers are read by nobody, so nothing may flow back to them.
            return ops.where(layout.real[:, None], flat, ops.zeros_like(flat))

        return _to_padded(flat, layout), grad

    return gather(flat)


def _to_flat(x, layout):
    return ops.take(ops.reshape(x, (-1, x.shape[-1])), layout.index, axis=0)  # (N, D)


def _to_padded(flat, layout):
    shape = ops.shape(layout.mask)
    padded = ops.take(flat, layout.inverse, axis=0)  # (B·L, D)
    return ops.reshape(padded, (shape[0], shape[1], flat.shape[-1]))
