"""From rewards to advantages: baselines, groups, discounting, GAE, whitening."""

from __future__ import annotations

import tensorflow as tf
from keras import ops


def leave_one_out_baseline(rewards, group=None):
    """Mean reward of the other samples: b_i = (Σ_j R_j − R_i) / (n − 1).

    Args:
        rewards: `(batch,)`.
        group: Number n of neighbours that belong together, such as the samples of
            one prompt; the whole batch if `None`. At least two.

    Returns:
        `(batch,)`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl import leave_one_out_baseline
    >>> leave_one_out_baseline(np.array([1.0, 2.0, 6.0])).numpy().tolist()
    [4.0, 3.5, 1.5]

    Source: Kool, van Hoof and Welling (2019), "Buy 4 REINFORCE Samples, Get a
    Baseline for Free!", equation 8.
    """
    rewards = tf.convert_to_tensor(rewards)
    group = rewards.shape[0] if group is None else group
    table = tf.reshape(rewards, (-1, group))
    total = tf.reduce_sum(table, axis=1, keepdims=True)
    return tf.reshape((total - table) / (group - 1), (-1,))


def group_advantages(rewards, group, scale=True, epsilon=1e-4):
    """Standard scores within groups: A_i = (R_i − R̄) / (s + ε).

    Args:
        rewards: `(batch,)`, those of a group side by side.
        group: Samples a group.
        scale: Whether to divide by the group's standard deviation s. It makes an
            easy prompt count as much as a hard one; without, the estimate has no
            such bias.
        epsilon: Keeps a group whose samples all score alike at 0.

    Returns:
        `(batch,)`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl import group_advantages
    >>> group_advantages(np.array([0.0, 2.0, 5.0, 5.0]), 2, scale=False).numpy().tolist()
    [-1.0, 1.0, 0.0, 0.0]

    Source: Shao et al. (2024), "DeepSeekMath", section 4.1.2; Liu et al. (2025)
    for leaving the division out.
    """
    rewards = tf.convert_to_tensor(rewards)
    table = tf.reshape(rewards, (-1, group))
    centered = table - tf.reduce_mean(table, axis=1, keepdims=True)
    if scale:
        # The sample's deviation (n − 1), as published code has it.
        squares = tf.reduce_sum(centered**2, axis=1, keepdims=True)
        centered /= tf.sqrt(squares / max(1, group - 1)) + epsilon
    return tf.reshape(centered, (-1,))


def _discounted(values, rate):
    """Σ_{s ≥ t} rate^(s − t) values_s for each t, `(batch, length)`."""
    steps = ops.arange(values.shape[1], dtype="float32")
    gap = steps[:, None] - steps[None, :]  # (s, t)
    # A rate of 0 to the power 0 is 1; gaps below 0 must not be raised at all.
    weights = ops.where(gap >= 0, ops.power(float(rate), ops.maximum(gap, 0.0)), 0.0)
    return ops.matmul(values, ops.cast(weights, values.dtype))


def rewards_to_go(rewards, discount=1.0):
    """What is still to come from each token on: G_t = Σ_{s ≥ t} γ^(s − t) r_s.

    A token cannot change rewards before it, so only these need to weigh its
    log-probability: the same expectation, less variance.

    Args:
        rewards: `(batch, length)`, 0 in padding.
        discount: γ.

    Returns:
        `(batch, length)`.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl import rewards_to_go
    >>> rewards_to_go(np.array([[1.0, 0.0, 4.0]]), 0.5).numpy().tolist()
    [[2.0, 2.0, 4.0]]

    Source: Sutton and Barto (2018), equation 3.8 and section 13.3.
    """
    return _discounted(tf.convert_to_tensor(rewards), discount)


def generalized_advantages(rewards, values, mask, discount=1.0, trace=0.95):
    """GAE: A_t = Σ_{s ≥ t} (γλ)^(s − t) δ_s,   δ_t = r_t + γ V_{t+1} − V_t.

    λ = 1 is reward-to-go minus value: no bias, much variance. λ = 0 is δ: little
    variance, and the bias of V. After the last token the value is 0.

    Args:
        rewards, values: `(batch, length)`; V_t is of the text before token t.
        mask: `(batch, length)`, 1 for sampled tokens, which come first.
        discount: γ.
        trace: λ.

    Returns:
        Advantages and returns A + V, both `(batch, length)`, 0 in padding.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl import generalized_advantages
    >>> rewards, values = np.array([[0.0, 1.0]]), np.array([[0.5, 0.25]])
    >>> a, g = generalized_advantages(rewards, values, np.ones((1, 2)), trace=1.0)
    >>> a.numpy().tolist(), g.numpy().tolist()
    ([[0.5, 0.75]], [[1.0, 1.0]])

    Source: Schulman et al. (2016), "High-Dimensional Continuous Control Using
    Generalized Advantage Estimation", equation 16.
    """
    rewards, values = tf.convert_to_tensor(rewards), tf.convert_to_tensor(values)
    mask = tf.cast(mask, values.dtype)
    values = values * mask
    following = tf.pad(values[:, 1:], [[0, 0], [0, 1]])
    delta = (rewards + discount * following - values) * mask
    advantages = _discounted(delta, discount * trace) * mask
    return advantages, advantages + values


def whiten(values, mask=None, shift_mean=True, epsilon=1e-8):
    """Divides by the standard deviation; takes the mean off, or leaves it.

    With the population variance. Advantages lose their mean; rewards keep it,
    because their level says how good a text is.

    Args:
        values: A tensor.
        mask: The same shape, 1 for what counts; everything if `None`.
        shift_mean: Whether the mean becomes 0.
        epsilon: Added to the variance.

    Returns:
        A tensor of the same shape; masked places are 0.

    Example:

    >>> import numpy as np
    >>> from rmkeras.rl import whiten
    >>> whiten(np.array([1.0, 3.0]), shift_mean=False).numpy().round(3).tolist()
    [1.0, 3.0]

    Source: Huang et al. (2024), "The N Implementation Details of RLHF with PPO",
    details 3 and 4 of the general ones.
    """
    values = tf.convert_to_tensor(values)
    mask = tf.ones_like(values) if mask is None else tf.cast(mask, values.dtype)
    count = tf.maximum(tf.reduce_sum(mask), 1.0)
    mean = tf.reduce_sum(values * mask) / count
    variance = tf.reduce_sum((values - mean) ** 2 * mask) / count
    white = (values - mean) * tf.math.rsqrt(variance + epsilon)
    return (white if shift_mean else white + mean) * mask
