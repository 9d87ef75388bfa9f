"""Wrong answers to the exercises of notebook 11, and the hints that they must meet."""

GAE = """
def gae(rewards, values, mask, discount, trace):
    {clean}
    out, after, carry = np.zeros(values.shape), {last}, np.zeros(len(values))
    for t in reversed(range(values.shape[1])):
        delta = {delta}
        carry = delta + {weight} * carry
        out[:, t], after = carry, values[:, t]
    return {result}
"""
CLEAN = "rewards, values = rewards * mask, values * mask"


def gae(
    clean=CLEAN,
    last="np.zeros(len(values))",
    delta="rewards[:, t] + discount * after - values[:, t]",
    weight="discount * trace",
    result="out * mask",
):
    """Advantages with one thing wrong."""
    return GAE.format(clean=clean, last=last, delta=delta, weight=weight, result=result)


PPO = """
def ppo_loss(log_p, log_p_old, advantages, mask, clip):
    ratio = {ratio}
    clipped = ops.clip(ratio, 1 - clip, 1 + clip)
    gain = {gain}
    return {mean}
"""


def ppo(
    ratio="ops.exp((log_p - log_p_old) * mask)",
    gain="ops.minimum(ratio * advantages, clipped * advantages)",
    mean="-ops.sum(gain * mask) / ops.sum(mask)",
):
    """PPO's loss with one thing wrong."""
    return PPO.format(ratio=ratio, gain=gain, mean=mean)


UPDATE = """
def update(rewards, scale):
    a = rewards - {mean}
    if scale:
        a = a / {spread}
    return {u}


def misleading_rewards():
    return np.array({rewards})
"""


def update(
    mean="rewards.mean(axis=1, keepdims=True)",
    spread="(rewards.std(axis=1, ddof=1, keepdims=True) + 1e-4)",
    u="a[:, :2].mean() - a[:, 2:].mean()",
    rewards="[[1, 1, -1, -1], [0, 0, 0.02, 0.02], [0, 0, 0.02, 0.02]]",
):
    """The last exercise with one thing wrong."""
    return UPDATE.format(mean=mean, spread=spread, u=u, rewards=rewards)


WRONG = [
    {
        "exercise": "flat_share",
        "why": "the share of groups that teach something",
        "code": """
def flat_share(p, k):
    return np.mean(1 - p**k - (1 - p) ** k)
""",
        "hint": "not of those that teach",
    },
    {
        "exercise": "flat_share",
        "why": "forgets groups that are right throughout",
        "code": """
def flat_share(p, k):
    return np.mean((1 - p) ** k)
""",
        "hint": "also when all are right",
    },
    {
        "exercise": "flat_share",
        "why": "the others agree with the first answer, whatever it was",
        "code": """
def flat_share(p, k):
    return np.mean(p ** (k - 1) + (1 - p) ** (k - 1))
""",
        "hint": "all k answers have to be right",
    },
    {
        "exercise": "flat_share",
        "why": "one prompt of average difficulty",
        "code": """
def flat_share(p, k):
    p = np.mean(p)
    return p**k + (1 - p) ** k
""",
        "hint": "do not ask what becomes of an average prompt",
    },
    {
        "exercise": "flat_share",
        "why": "one share for each prompt",
        "code": """
def flat_share(p, k):
    return p**k + (1 - p) ** k
""",
        "hint": "the mean over the prompts",
    },
    {
        "exercise": "gae",
        "why": "forgets that nothing comes after padding begins",
        "code": gae(clean="rewards, values = rewards * 1.0, values * 1.0"),
        "hint": "padding has leaked in",
    },
    {
        "exercise": "gae",
        "why": "goes on with the last value after the end",
        "code": gae(last="values[:, -1]"),
        "hint": "After the last token the value is 0",
    },
    {
        "exercise": "gae",
        "why": "weighs by λ alone",
        "code": gae(weight="trace"),
        "hint": "The discount stands in δ and in the weights",
    },
    {
        "exercise": "gae",
        "why": "δ without the discount",
        "code": gae(delta="rewards[:, t] + after - values[:, t]"),
        "hint": "The discount stands in δ and in the weights",
    },
    {
        "exercise": "gae",
        "why": "adds up forwards",
        "code": """
def gae(rewards, values, mask, discount, trace):
    rewards, values = rewards * mask, values * mask
    out, carry = np.zeros(values.shape), 0.0
    after = np.pad(values[:, 1:], ((0, 0), (0, 1)))
    delta = rewards + discount * after - values
    for t in range(values.shape[1]):
        carry = delta[:, t] + discount * trace * carry
        out[:, t] = carry
    return out * mask
""",
        "hint": "not the other way round",
    },
    {
        "exercise": "gae",
        "why": "multiplies NaN by the mask",
        "code": gae(),
        "hint": "0 · NaN is",
    },
    {
        "exercise": "ppo_loss",
        "why": "clips the ratio and takes no minimum",
        "code": ppo(gain="clipped * advantages"),
        "hint": "pulled back",
    },
    {
        "exercise": "ppo_loss",
        "why": "the larger of the two products",
        "code": ppo(gain="ops.maximum(ratio * advantages, clipped * advantages)"),
        "hint": "gets no further push",
    },
    {
        "exercise": "ppo_loss",
        "why": "the smaller ratio, whatever the sign of the advantage",
        "code": ppo(gain="ops.minimum(ratio, clipped) * advantages"),
        "hint": "gets no further push down",
    },
    {
        "exercise": "ppo_loss",
        "why": "not clipped",
        "code": ppo(gain="ratio * advantages"),
        "hint": "gets no further push",
    },
    {
        "exercise": "ppo_loss",
        "why": "the sign of something to be maximised",
        "code": ppo(mean="ops.sum(gain * mask) / ops.sum(mask)"),
        "hint": "check the sign",
    },
    {
        "exercise": "ppo_loss",
        "why": "the mean over all places, padding too",
        "code": ppo(mean="-ops.mean(gain * mask)"),
        "hint": "nor in the number of tokens",
    },
    {
        "exercise": "ppo_loss",
        "why": "an infinite ratio at padding times 0",
        "code": ppo(ratio="ops.exp(log_p - log_p_old)"),
        "hint": "before the exponential",
    },
    {
        "exercise": "token_weights",
        "why": "sequence without the number of texts",
        "code": """
def token_weights(mask, how):
    if how == "sequence":
        return mask / mask.sum(1, keepdims=True)
    return mask / (mask.sum() if how == "token" else mask.size)
""",
        "hint": "the number of texts is missing",
    },
    {
        "exercise": "token_weights",
        "why": "token divides each text by its own tokens",
        "code": """
def token_weights(mask, how):
    if how == "constant":
        return mask / mask.size
    return mask / mask.sum(1, keepdims=True) / len(mask)
""",
        "hint": "token: every token of the batch",
    },
    {
        "exercise": "token_weights",
        "why": "constant divides by what the batch happens to hold",
        "code": """
def token_weights(mask, how):
    if how == "sequence":
        return mask / mask.sum(1, keepdims=True) / len(mask)
    return mask / mask.sum()
""",
        "hint": "whatever the batch holds",
    },
    {
        "exercise": "update",
        "why": "one standard deviation for the whole batch",
        "code": update(spread="(a.std(ddof=1) + 1e-4)", rewards="np.ones((3, 4))"),
        "hint": "not 0.3 or more",
    },
    {
        "exercise": "update",
        "why": "the population's standard deviation",
        "code": update(spread="(rewards.std(axis=1, keepdims=True) + 1e-4)"),
        "hint": "with k − 1 under the root",
    },
    {
        "exercise": "update",
        "why": "divides by 0 where all answers score alike",
        "code": update(spread="rewards.std(axis=1, ddof=1, keepdims=True)"),
        "hint": "what is ε for",
    },
    {
        "exercise": "update",
        "why": "only one prompt against two",
        "code": update(
            rewards="[[1, 1, -1, -1], [1, 1, -1, -1], [0, 0, 0.02, 0.02]]",
        ),
        "hint": "How many of the three",
    },
    {
        "exercise": "update",
        "why": "large differences everywhere, so that both go the same way",
        "code": update(rewards="[[1, 1, -1, -1], [-1, -1, 1, 1], [-1, -1, 1, 1]]"),
        "hint": "really be the better ones",
    },
]
