"""Wrong answers to the exercises of notebook 09, and the hints that they must meet."""

TEXT = """
def text_gradients(first, second, texts, rewards, baseline):
    n, size = len(texts), len(first)

    def softmax(z):
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    w1, w2 = texts.T
    weight = {weight}
    one = np.eye(size)[w1] - {p1}
    two = {two}
    by_first = weight[:, None] * one
    by_second = {start}
    by_second[np.arange(n), w1] = {weight2}[:, None] * two
    return by_first, by_second
"""


def text(
    weight="rewards - baseline",
    p1="softmax(first)",
    two="np.eye(size)[w2] - softmax(second[w1])",
    start="np.zeros((n, size, size))",
    weight2="weight",
):
    """An estimator with one thing wrong."""
    return TEXT.format(weight=weight, p1=p1, two=two, start=start, weight2=weight2)


STEP = """
def policy_gradient(policy, reference, reward_model, inputs, ids, mask, beta):
    with tf.GradientTape() as tape:
        log_p = token_log_probabilities(policy(inputs), ids) * {mask}
        log_p_ref = token_log_probabilities(reference(inputs), ids) * {mask}
        log_p, log_p_ref = tf.reduce_sum(log_p, 1), tf.reduce_sum(log_p_ref, 1)
        r = reward_model(ids)[:, 0] - beta * (log_p - log_p_ref)
        advantage = {advantage}
        loss = {sign}tf.reduce_mean(advantage * log_p)
    return tape.gradient(loss, {variables})
"""


def step(
    mask="mask",
    advantage="tf.stop_gradient(r - leave_one_out_baseline(r))",
    sign="-",
    variables="policy.trainable_variables",
):
    """A step of REINFORCE with one thing wrong."""
    return STEP.format(mask=mask, advantage=advantage, sign=sign, variables=variables)


BAD_CASE = """

def bad_case():
    return np.array([0.98, 0.01, 0.01]), np.array([1.0, 0.0, 0.0])
"""
BEST = """
def best_baseline(p, rewards):
    length = ((np.eye(len(p)) - p) ** 2).sum(axis=1)
    return (p * length * rewards).sum() / (p * length).sum()

"""

WRONG = [
    {
        "exercise": "tilted",
        "why": "a softmax of the rewards: the reference is forgotten",
        "code": """
def tilted(p_ref, rewards, beta):
    e = np.exp((rewards - np.max(rewards)) / beta)
    return e / e.sum()
""",
        "hint": "must stay what it was",
    },
    {
        "exercise": "tilted",
        "why": "multiplies by β",
        "code": """
def tilted(p_ref, rewards, beta):
    w = p_ref * np.exp(rewards * beta)
    return w / w.sum()
""",
        "hint": "divided by β",
    },
    {
        "exercise": "tilted",
        "why": "does not normalise",
        "code": """
def tilted(p_ref, rewards, beta):
    return p_ref * np.exp(rewards / beta)
""",
        "hint": "what is Z",
    },
    {
        "exercise": "tilted",
        "why": "overflows",
        "code": """
def tilted(p_ref, rewards, beta):
    w = p_ref * np.exp(rewards / beta)
    return w / w.sum()
""",
        "hint": "take the largest off first",
    },
    {
        "exercise": "text_gradients",
        "why": "descends",
        "code": text(weight="baseline - rewards"),
        "hint": "sign is that of a loss",
    },
    {
        "exercise": "text_gradients",
        "why": "only the unit vector, the probability is not taken off",
        "code": text(p1="0", two="np.eye(size)[w2]"),
        "hint": "Is the probability taken off",
    },
    {
        "exercise": "text_gradients",
        "why": "every row of the table gets −p, not only the row of the first token",
        "code": text(start="np.tile(-softmax(second), (n, 1, 1))"),
        "hint": "says nothing about what follows another word",
    },
    {
        "exercise": "text_gradients",
        "why": "the reward belongs to the last token alone",
        "code": """
def text_gradients(first, second, texts, rewards, baseline):
    n, size = len(texts), len(first)
    e = np.exp(second)
    q = e / e.sum(axis=1, keepdims=True)
    by_second = np.zeros((n, size, size))
    for i, (a, b) in enumerate(texts):
        by_second[i, a] = (rewards[i] - baseline) * (np.eye(size)[b] - q[a])
    return np.zeros((n, size)), by_second
""",
        "hint": "belongs to the first token too",
    },
    {
        "exercise": "text_gradients",
        "why": "weighs samples by their probability although they are drawn",
        "code": text(
            weight="(rewards - baseline) * softmax(first)[w1] * softmax(second)[w1, w2]"
        ),
        "hint": "do not add up to the exact gradient",
    },
    {
        "exercise": "text_gradients",
        "why": "the baseline only at the first token",
        "code": text(weight2="rewards"),
        "hint": "says nothing: all slopes 0",
    },
    {
        "exercise": "token_rewards",
        "why": "the score in the last column",
        "code": """
def token_rewards(log_p, log_p_ref, mask, scores, beta):
    rewards = -beta * (log_p - log_p_ref) * mask
    rewards[:, -1] += scores
    return rewards
""",
        "hint": "not to the last column",
    },
    {
        "exercise": "token_rewards",
        "why": "the score one token before the end",
        "code": """
def token_rewards(log_p, log_p_ref, mask, scores, beta):
    rewards = -beta * (log_p - log_p_ref) * mask
    last = mask.sum(1).astype(int) - 2
    rewards[np.arange(len(mask)), last] += scores
    return rewards
""",
        "hint": "one step off",
    },
    {
        "exercise": "token_rewards",
        "why": "the score at every token",
        "code": """
def token_rewards(log_p, log_p_ref, mask, scores, beta):
    return (scores[:, None] - beta * (log_p - log_p_ref)) * mask
""",
        "hint": "one reward, its score",
    },
    {
        "exercise": "token_rewards",
        "why": "the score takes the place of the last token's KL",
        "code": """
def token_rewards(log_p, log_p_ref, mask, scores, beta):
    rewards = -beta * (log_p - log_p_ref) * mask
    rewards[np.arange(len(mask)), mask.sum(1).astype(int) - 1] = scores
    return rewards
""",
        "hint": "is the KL at the last token lost",
    },
    {
        "exercise": "token_rewards",
        "why": "leaving the reference is rewarded",
        "code": """
def token_rewards(log_p, log_p_ref, mask, scores, beta):
    rewards = beta * (log_p - log_p_ref) * mask
    rewards[np.arange(len(mask)), mask.sum(1).astype(int) - 1] += scores
    return rewards
""",
        "hint": "leaving it costs",
    },
    {
        "exercise": "token_rewards",
        "why": "−∞ at padding times 0",
        "code": """
def token_rewards(log_p, log_p_ref, mask, scores, beta):
    rewards = -beta * (log_p - log_p_ref) * mask
    rewards[np.arange(len(mask)), mask.sum(1).astype(int) - 1] += scores
    return rewards
""",
        "hint": "0 · ∞ is not",
    },
    {
        "exercise": "policy_gradient",
        "why": "the reward model learns to like the samples",
        "code": step(
            variables="policy.trainable_variables + reward_model.trainable_variables"
        ),
        "hint": "the reward model must not learn",
    },
    {
        "exercise": "policy_gradient",
        "why": "a sample's own reward is in its baseline",
        "code": step(advantage="tf.stop_gradient(r - tf.reduce_mean(r))"),
        "hint": "its baseline",
    },
    {
        "exercise": "policy_gradient",
        "why": "padding counts",
        "code": step(mask="1.0"),
        "hint": "never drawn",
    },
    {
        "exercise": "policy_gradient",
        "why": "differentiates through the KL in the reward",
        "code": step(advantage="r - leave_one_out_baseline(r)"),
        "hint": "differentiated through",
    },
    {
        "exercise": "policy_gradient",
        "why": "no minus: the policy is pushed down",
        "code": step(sign=""),
        "hint": "the sign is wrong",
    },
    {
        "exercise": "best_baseline",
        "why": "the mean reward",
        "code": """
def best_baseline(p, rewards):
    return (p * rewards).sum()

"""
        + BAD_CASE,
        "hint": "this is the mean reward",
    },
    {
        "exercise": "best_baseline",
        "why": "weighs by the length of g and forgets the probability",
        "code": """
def best_baseline(p, rewards):
    length = ((np.eye(len(p)) - p) ** 2).sum(axis=1)
    return (length * rewards).sum() / length.sum()

"""
        + BAD_CASE,
        "hint": "another baseline has a smaller variance",
    },
    {
        "exercise": "best_baseline",
        "why": "lifted rewards, where the mean is just what is needed",
        "code": BEST
        + """
def bad_case():
    return np.array([0.3, 0.4, 0.3]), np.array([0.8, 0.9, 1.0])
""",
        "hint": "the mean is a good baseline",
    },
    {
        "exercise": "best_baseline",
        "why": "a common word, but not common enough",
        "code": BEST
        + """
def bad_case():
    return np.array([0.6, 0.2, 0.2]), np.array([1.0, 0.0, 0.0])
""",
        "hint": "make the common word more common",
    },
]
