"""Wrong answers to the exercises of notebook 06, and the hints that they must meet."""

SLOPES = """
def centred_slopes(rewards, share, eta):
    d = rewards[:, 0] - rewards[:, 1]
    apart, level = {apart}, {level}
    return np.stack([{chosen}, {rejected}], axis=1)
"""


def slopes(
    apart="1 / (1 + np.exp(-d)) - share",
    level="2 * eta * rewards.sum(axis=1)",
    chosen="level + apart",
    rejected="level - apart",
):
    """The centred loss's slopes with one thing wrong."""
    return SLOPES.format(apart=apart, level=level, chosen=chosen, rejected=rejected)


WRONG = [
    {
        "exercise": "chain",
        "why": "multiplies the shares as if both contests had to be won",
        "code": """
def chain(p_ab, p_bc):
    return p_ab * p_bc
""",
        "hint": "Do not multiply",
    },
    {
        "exercise": "chain",
        "why": "takes the share for the difference of rewards",
        "code": """
def chain(p_ab, p_bc):
    return 1 / (1 + np.exp(-(p_ab + p_bc)))
""",
        "hint": "its log-odds",
    },
    {
        "exercise": "chain",
        "why": "averages the log-odds",
        "code": """
def chain(p_ab, p_bc):
    d = 0.5 * (np.log(p_ab / (1 - p_ab)) + np.log(p_bc / (1 - p_bc)))
    return 1 / (1 + np.exp(-d))
""",
        "hint": "differences of rewards that add up",
    },
    {
        "exercise": "preference_loss",
        "why": "the logarithm of a sigmoid, which underflows",
        "code": """
def preference_loss(rewards, share, margin):
    d = rewards[:, 0] - rewards[:, 1] - margin
    up, down = ops.log(ops.sigmoid(d)), ops.log(ops.sigmoid(-d))
    return -share * up - (1 - share) * down
""",
        "hint": "infinite or not a number",
    },
    {
        "exercise": "preference_loss",
        "why": "clips the difference against the overflow, and with it the gradient",
        "code": """
def preference_loss(rewards, share, margin):
    d = ops.clip(rewards[:, 0] - rewards[:, 1] - margin, -30, 30)
    return -share * ops.log_sigmoid(d) - (1 - share) * ops.log_sigmoid(-d)
""",
        "hint": "do not clip",
    },
    {
        "exercise": "preference_loss",
        "why": "the margin makes the task easier",
        "code": """
def preference_loss(rewards, share, margin):
    d = rewards[:, 0] - rewards[:, 1] + margin
    return share * ops.softplus(-d) + (1 - share) * ops.softplus(d)
""",
        "hint": "sign of the margin",
    },
    {
        "exercise": "preference_loss",
        "why": "the margin in the first term only",
        "code": """
def preference_loss(rewards, share, margin):
    d = rewards[:, 0] - rewards[:, 1]
    return share * ops.softplus(margin - d) + (1 - share) * ops.softplus(d)
""",
        "hint": "in both terms",
    },
    {
        "exercise": "preference_loss",
        "why": "averages over the batch",
        "code": """
def preference_loss(rewards, share, margin):
    d = rewards[:, 0] - rewards[:, 1] - margin
    return ops.mean(share * ops.softplus(-d) + (1 - share) * ops.softplus(d))
""",
        "hint": "one loss a pair",
    },
    {
        "exercise": "preference_loss",
        "why": "every pair is taken for certain",
        "code": """
def preference_loss(rewards, share, margin):
    return ops.softplus(margin - rewards[:, 0] + rewards[:, 1])
""",
        "hint": "one vote in five",
    },
    {
        "exercise": "centred_slopes",
        "why": "the way of descent, not the slope",
        "code": slopes(apart="share - 1 / (1 + np.exp(-d))"),
        "hint": "descent goes against the slope",
    },
    {
        "exercise": "centred_slopes",
        "why": "the slope by the difference for both rewards",
        "code": slopes(rejected="level + apart"),
        "hint": "changes its sign there",
    },
    {
        "exercise": "centred_slopes",
        "why": "centres the difference",
        "code": slopes(level="2 * eta * d", rejected="-level - apart"),
        "hint": "a price on the difference",
    },
    {
        "exercise": "centred_slopes",
        "why": "centres each reward by itself",
        "code": """
def centred_slopes(rewards, share, eta):
    d = rewards[:, 0] - rewards[:, 1]
    apart = 1 / (1 + np.exp(-d)) - share
    return np.stack([apart, -apart], axis=1) + 2 * eta * rewards
""",
        "hint": "squared as a whole",
    },
    {
        "exercise": "centred_slopes",
        "why": "the slope of a square without its 2",
        "code": slopes(level="eta * rewards.sum(axis=1)"),
        "hint": "is 2 η (r_c + r_r)",
    },
    {
        "exercise": "centred_slopes",
        "why": "the mean over the batch",
        "code": slopes(
            chosen="(level + apart) / len(d)", rejected="(level - apart) / len(d)"
        ),
        "hint": "divided by or summed over the batch",
    },
    {
        "exercise": "centred_slopes",
        "why": "takes every pair for certain",
        "code": slopes(apart="1 / (1 + np.exp(-d)) - 1"),
        "hint": "Is p the share of votes",
    },
    {
        "exercise": "epoch_accuracy",
        "why": "the mean of the batches' accuracies",
        "code": """
def epoch_accuracy(batches):
    return np.mean([np.mean(c > r) + 0.5 * np.mean(c == r) for c, r in batches])
""",
        "hint": "count pairs",
    },
    {
        "exercise": "epoch_accuracy",
        "why": "a tie is right",
        "code": """
def epoch_accuracy(batches):
    right = sum(np.sum(c >= r) for c, r in batches)
    return right / sum(len(c) for c, _ in batches)
""",
        "hint": "one half",
    },
    {
        "exercise": "epoch_accuracy",
        "why": "leaves ties out of the number of pairs",
        "code": """
def epoch_accuracy(batches):
    right = sum(np.sum(c > r) + 0.5 * np.sum(c == r) for c, r in batches)
    pairs = sum(np.sum(c != r) for c, r in batches)
    return right / pairs if pairs else 0.5
""",
        "hint": "in the number of pairs too",
    },
    {
        "exercise": "fit_rewards",
        "why": "the log-odds of the share of wins, whoever was beaten",
        "code": """
def fit_rewards(wins):
    share = wins.sum(1) / (wins.sum(1) + wins.sum(0))
    share = np.clip(share, 1e-3, 1 - 1e-3)
    rewards = np.log(share / (1 - share))
    return rewards - rewards.mean()
""",
        "hint": "whom a text has beaten",
    },
    {
        "exercise": "fit_rewards",
        "why": "a handful of steps",
        "code": """
def fit_rewards(wins):
    votes, rewards = wins + wins.T, np.zeros(len(wins))
    for _ in range(30):
        expected = votes / (1 + np.exp(rewards[None] - rewards[:, None]))
        rewards += 0.02 * (wins - expected).sum(1)
    return rewards - rewards.mean()
""",
        "hint": "the gradient is not zero",
    },
    {
        "exercise": "fit_rewards",
        "why": "fits, but leaves the level where it happens to be",
        "code": """
def fit_rewards(wins):
    votes, rewards = wins + wins.T, np.ones(len(wins))
    for _ in range(3_000):
        expected = votes / (1 + np.exp(rewards[None] - rewards[:, None]))
        rewards += 0.01 * (wins - expected).sum(1)
    return rewards
""",
        "hint": "their mean must be 0",
    },
    {
        "exercise": "fit_rewards",
        "why": "a penalty as strong as the votes",
        "code": """
def fit_rewards(wins):
    votes, rewards = wins + wins.T, np.zeros(len(wins))
    for _ in range(3_000):
        expected = votes / (1 + np.exp(rewards[None] - rewards[:, None]))
        rewards += 0.01 * ((wins - expected).sum(1) - 0.5 * rewards)
    return rewards - rewards.mean()
""",
        "hint": "pull too hard",
    },
]
