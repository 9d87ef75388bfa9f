"""Objectives whose gradient improves a policy, and what they are made of."""

from __future__ import annotations

from keras import ops


def token_log_probabilities(logits, ids, temperature=1.0):
    """Log-probability of each token under the logits that predicted it.

    log π(x_t | x_<t) = z_t[x_t] / T − log Σ_v exp(z_t[v] / T)

    Args:
        logits: `(batch, length, vocabulary)`; row t predicts `ids[:, t]`.
        ids: `(batch, length)` ints.
        temperature: The temperature T the tokens were sampled at. Leaving it out
            gives the probabilities of another policy than the one that sampled.

    Returns:
        `(batch, length)` float32.

    Example:

    >>> import numpy as np
    >>> from rmkeras.losses import token_log_probabilities
    >>> logits = np.zeros((1, 1, 4), "float32")
    >>> round(float(token_log_probabilities(logits, np.array([[2]]))[0, 0]), 4)
    -1.3863
    """
    logits = ops.cast(logits, "float32")  # (B, L, V)
    if temperature != 1.0:
        logits = logits / temperature
    # The cross-entropy makes its gradient in the same pass over the vocabulary.
    return -ops.sparse_categorical_crossentropy(ids, logits, from_logits=True)


def kl_estimate(log_probs, reference_log_probs, mask, estimator="k1"):
    """Estimates KL(π ‖ π_ref) of each sequence from its own sampled tokens.

    With ρ = π_ref / π at a sampled token:
    k1 = −log ρ (unbiased), k2 = ½ (log ρ)² (low variance, biased),
    k3 = ρ − 1 − log ρ (unbiased and never negative).

    Args:
        log_probs: `(batch, length)`, under the policy that sampled.
        reference_log_probs: `(batch, length)`, under the reference model.
        mask: `(batch, length)`, 1 for sampled tokens.
        estimator: `"k1"`, `"k2"` or `"k3"`.

    Returns:
        `(batch,)`: nats a sequence.

    Raises:
        ValueError: If there is no such estimator.

    Example:

    >>> import numpy as np
    >>> from rmkeras.losses import kl_estimate
    >>> a, b = np.array([[-1.0, -2.0]]), np.array([[-1.5, -1.0]])
    >>> [round(float(kl_estimate(a, b, np.ones((1, 2)), k)[0]), 4)
    ...  for k in ("k1", "k2", "k3")]
    [-0.5, 0.625, 0.8248]

    Source: Schulman (2020), "Approximating KL Divergence".
    """
    log_ratio = reference_log_probs - log_probs  # (B, L), log ρ
    if estimator == "k1":
        each = -log_ratio
    elif estimator == "k2":
        each = 0.5 * ops.square(log_ratio)
    elif estimator == "k3":
        each = ops.exp(log_ratio) - 1.0 - log_ratio
    else:
        raise ValueError(f"estimator is {estimator!r}; expected k1, k2 or k3")
    return ops.sum(each * ops.cast(mask, each.dtype), axis=1)


def reinforce_loss(log_probs, advantages, mask):
    """The surrogate whose gradient is the policy gradient.

    L(θ) = −1/N Σ_i Σ_t A_it log π_θ(x_it | x_i<t)

    Its value means nothing; its gradient, with samples from π_θ itself, is an
    unbiased estimate of −∇ E[R]. The advantages are constants here: no gradient
    flows into them.

    Args:
        log_probs: `(batch, length)`, with gradient.
        advantages: `(batch,)`, reward minus baseline, or `(batch, length)`, one for
            each token.
        mask: `(batch, length)`, 1 for sampled tokens.

    Returns:
        A scalar. Sequences count alike, whatever their length.

    Example:

    >>> import numpy as np
    >>> from rmkeras.losses import reinforce_loss
    >>> float(reinforce_loss(np.array([[-1.0, -2.0]]), np.array([2.0]),
    ...                      np.array([[1.0, 0.0]])))
    2.0

    Source: Williams (1992), "Simple Statistical Gradient-Following Algorithms for
    Connectionist Reinforcement Learning", theorem 1.
    """
    mask = ops.cast(mask, log_probs.dtype)
    advantages = ops.stop_gradient(ops.cast(advantages, log_probs.dtype))
    if len(advantages.shape) == 1:
        advantages = advantages[:, None]
    return -ops.mean(ops.sum(advantages * log_probs * mask, axis=1))


NORMALIZERS = ("sequence", "token", "constant")


def masked_average(values, mask, how="token", length=None):
    """Averages what belongs to tokens; how decides what a long text weighs.

    - `"token"`: Σ_it / number of tokens in the batch: long texts weigh more, and
      every token alike.
    - `"sequence"`: the mean of the texts' own means: every text weighs alike, so a
      token of a long wrong answer is punished less than one of a short wrong
      answer. Length grows with it.
    - `"constant"`: Σ_it / (texts · `length`): neither, as each token counts the
      same whatever the batch holds. It is the gradient of the expected return.

    Args:
        values: `(batch, length)`.
        mask: `(batch, length)`, 1 for real tokens.
        how: See above.
        length: The constant; the width of `values` if `None`.

    Returns:
        A scalar.

    Raises:
        ValueError: If `how` is unknown.

    Example:

    >>> import numpy as np
    >>> from rmkeras.losses import masked_average
    >>> values, mask = np.array([[1.0, 1.0], [4.0, 0.0]]), np.array([[1, 1], [1, 0]])
    >>> [float(masked_average(values, mask, how)) for how in
    ...  ("token", "sequence", "constant")]
    [2.0, 2.5, 1.5]

    Source: Shao et al. (2024), equation 3, for "sequence"; Yu et al. (2025),
    "DAPO", section 3.3, for "token"; Liu et al. (2025), "Understanding
    R1-Zero-Like Training", section 3.1, for "constant".
    """
    mask = ops.cast(mask, values.dtype)
    sums = ops.sum(values * mask, axis=1)  # (B,)
    counts = ops.sum(mask, axis=1)
    if how == "token":
        return ops.sum(sums) / ops.maximum(ops.sum(counts), 1.0)
    if how == "sequence":
        return ops.mean(sums / ops.maximum(counts, 1.0))
    if how == "constant":
        return ops.mean(sums) / (length or values.shape[1])
    raise ValueError(f"how is {how!r}; expected one of {', '.join(NORMALIZERS)}")


def clipped_policy_loss(
    log_probs, old_log_probs, advantages, mask, clip=0.2, high=None, how="token"
):
    """PPO's surrogate: improve, but gain nothing from going far.

    L = −mean min(ρ A, clip(ρ, 1 − ε, 1 + ε) A),   ρ_t = π_θ(x_t) / π_old(x_t)

    The minimum is a lower bound of the plain surrogate ρ A: once the ratio has left
    the trust region in the direction that A wants, the gradient is zero. Where the
    mask is 0 the ratio is 1 by construction, whatever the log-probabilities hold.

    Args:
        log_probs: `(batch, length)`, with gradient.
        old_log_probs: `(batch, length)`, of the policy that sampled.
        advantages: `(batch, length)` or `(batch,)`; constants.
        mask: `(batch, length)`, 1 for sampled tokens.
        clip: ε below 1.
        high: ε above 1; `clip` if `None`.
        how: See `masked_average`.

    Returns:
        The loss, and a dict of scalars: mean `ratio`, `clip_fraction` (share of
        tokens whose gradient is cut off) and `approximate_kl` (k3, nats a token,
        from the policy that sampled).

    Example:

    >>> import numpy as np
    >>> from rmkeras.losses import clipped_policy_loss
    >>> new, old = np.log([[0.3, 0.5]]), np.log([[0.2, 0.5]])  # ratios 1.5 and 1
    >>> loss, found = clipped_policy_loss(new, old, np.array([2.0]), np.ones((1, 2)))
    >>> round(float(loss), 3), float(found["clip_fraction"])
    (-2.2, 0.5)

    Source: Schulman et al. (2017), "Proximal Policy Optimization Algorithms",
    equation 7.
    """
    mask = ops.cast(mask, log_probs.dtype)
    advantages = ops.cast(ops.stop_gradient(advantages), log_probs.dtype)
    if len(advantages.shape) == 1:
        advantages = advantages[:, None]
    # Not times the mask, since −∞ · 0 is no number.
    log_ratio = log_probs - ops.stop_gradient(old_log_probs)  # (B, L)
    log_ratio = ops.where(mask > 0, log_ratio, 0.0)
    ratio = ops.exp(log_ratio)
    plain = ratio * advantages
    cut = ops.clip(ratio, 1.0 - clip, 1.0 + (clip if high is None else high))
    clipped = cut * advantages
    loss = -masked_average(ops.minimum(plain, clipped), mask, how)
    share = masked_average(ops.cast(clipped < plain, log_probs.dtype), mask)
    found = {
        "ratio": masked_average(ratio, mask),
        "clip_fraction": share,
        "approximate_kl": masked_average(ops.exp(-log_ratio) - 1 + log_ratio, mask),
    }
    return loss, found


def clipped_value_loss(values, old_values, returns, mask, clip=0.2):
    """Squared error of a value head that may not move far in one batch.

    L = ½ mean max((V − G)², (V_old + clip(V − V_old, ±ε) − G)²)

    Args:
        values: `(batch, length)`, with gradient.
        old_values: `(batch, length)`, when the batch was sampled.
        returns: `(batch, length)`, what the values should be.
        mask: `(batch, length)`, 1 for sampled tokens.
        clip: ε; none if `None`.

    Returns:
        A scalar.

    Example:

    >>> import numpy as np
    >>> from rmkeras.losses import clipped_value_loss
    >>> new, old, returns = (np.array([[x]]) for x in (1.0, 0.0, 1.0))
    >>> float(clipped_value_loss(new, old, returns, np.ones((1, 1)), 0.25))
    0.28125

    Source: Huang et al. (2022), "The 37 Implementation Details of Proximal Policy
    Optimization", detail 9.
    """
    returns = ops.stop_gradient(returns)
    error = ops.square(values - returns)
    if clip is not None:
        old = ops.stop_gradient(old_values)
        near = old + ops.clip(values - old, -clip, clip)
        error = ops.maximum(error, ops.square(near - returns))
    return 0.5 * masked_average(error, mask)


def preference_policy_loss(
    chosen,
    rejected,
    reference_chosen,
    reference_rejected,
    beta=0.1,
    label_smoothing=0.0,
    kind="dpo",
    probability=1.0,
    offset=0.0,
):
    """DPO or IPO: a comparison as a loss on the policy itself.

    h = (log π(y⁺) − log π_ref(y⁺)) − (log π(y⁻) − log π_ref(y⁻))

    DPO: L = −q log σ(β h − m) − (1 − q) log σ(m − β h)

    IPO: L = p (h' − 1 / (2 β))² + (1 − p) (h' + 1 / (2 β))²

    q = (1 − ε) p + ε (1 − p) and h' = h − m / β. p is the share of raters who preferred the chosen answer, 1 if there was one; m the
    margin by which it should win, in the unit of the reward β h, as in `BradleyTerry`.

    DPO is the maximum likelihood of comparisons whose reward is the one that the
    policy is optimal for, r = β log(π / π_ref) + const. If all comparisons of a
    pair agree, its h grows without end; smoothing and IPO give it a finite goal:
    log((1 − ε) / ε) / β and 1 / (2 β).

    Args:
        chosen, rejected: `(batch,)`: log-probabilities of whole completions under
            the policy, with gradient.
        reference_chosen, reference_rejected: `(batch,)`, under the reference.
        beta: β, the strength of the tie to the reference.
        label_smoothing: ε, the share of comparisons taken to be wrong; DPO alone.
        kind: `"dpo"` or `"ipo"`.
        probability: p, a number or `(batch,)`.
        offset: m, a number or `(batch,)`.

    Returns:
        The loss of each comparison, `(batch,)`, and its margin β h.

    Raises:
        ValueError: If `kind` is unknown or `label_smoothing` not in [0, ½).

    Example:

    >>> import numpy as np
    >>> from rmkeras.losses import preference_policy_loss
    >>> same = np.array([-3.0])
    >>> loss, margin = preference_policy_loss(same, same, same, same)
    >>> round(float(loss[0]), 4), float(margin[0])  # ln 2
    (0.6931, 0.0)

    Source: Rafailov et al. (2023), equation 7; Azar et al. (2023), equation 17;
    Mitchell (2023), "A note on DPO with noisy preferences", for the smoothing and p;
    Amini et al. (2024), "Direct Preference Optimization with an Offset", for m.
    """
    if not 0 <= label_smoothing < 0.5:
        raise ValueError(
            f"label_smoothing is {label_smoothing}; expected 0 up to but not 0.5"
        )
    ratio = (chosen - reference_chosen) - (rejected - reference_rejected)  # (B,)
    margin = beta * ratio
    if kind == "dpo":
        won = (1 - label_smoothing) * probability
        won += label_smoothing * (1 - probability)
        lost = (1 - label_smoothing) * (1 - probability)
        lost += label_smoothing * probability
        over = margin - offset
        # −log σ(x) = softplus(−x), which does not overflow.
        return won * ops.softplus(-over) + lost * ops.softplus(over), margin
    if kind == "ipo":
        over = ratio - offset / beta
        won, lost = ops.square(over - 0.5 / beta), ops.square(over + 0.5 / beta)
        return probability * won + (1 - probability) * lost, margin
    raise ValueError(f"kind is {kind!r}; expected dpo or ipo")
