"""Values of unfinished texts, and rewards laid out over tokens."""

from __future__ import annotations

import keras
import tensorflow as tf


class ValueHead(keras.layers.Layer):
    """V(s_t) = w · h_t + b on a policy's hidden states; 0 at first.

    Starting at zero, the first advantages are the rewards themselves and not
    noise.

    Args:
        policy: A language model, for the width of its states.

    Source: Stiennon et al. (2020), appendix C: values start at zero.
    """

    def __init__(self, policy, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(
            1, kernel_initializer="zeros", dtype="float32", name="value"
        )
        self.dense.build((None, None, policy.token_table.shape[-1]))
        self.built = True

    def call(self, hidden):
        """Returns `(batch, length)` for `(batch, length, dim)`."""
        return self.dense(hidden)[..., 0]


def token_rewards(batch, beta):
    """Rewards by token: −β log(π / π_ref) at each, the score at the last one.

    r_t = −β (log π(x_t) − log π_ref(x_t)) + [t = T] r(x)

    Args:
        batch: A dict with `log_probs`, `reference`, `mask`, all `(batch, length)`,
            and `scores`, `(batch,)`.
        beta: β.

    Returns:
        `(batch, length)`, 0 in padding.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl.values import token_rewards
    >>> batch = {"log_probs": np.array([[-1.0, -1.0, 0.0]], "float32"),
    ...          "reference": np.array([[-2.0, -1.0, 0.0]], "float32"),
    ...          "mask": np.array([[1.0, 1.0, 0.0]], "float32"),
    ...          "scores": np.array([3.0], "float32")}
    >>> token_rewards(batch, 0.5).numpy().tolist()
    [[-0.5, 3.0, 0.0]]

    Source: Ziegler et al. (2019), section 2.1.
    """
    mask = tf.cast(batch["mask"], tf.float32)
    length = tf.cast(tf.reduce_sum(mask, axis=1), tf.int32)
    last = tf.one_hot(length - 1, mask.shape[1])  # (B, L); a row of 0 if empty
    kl = (batch["log_probs"] - batch["reference"]) * mask
    return -beta * kl + batch["scores"][:, None] * last
