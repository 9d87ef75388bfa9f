"""Plausible wrong answers to the exercises of notebook 12, and the hint they meet."""

WRONG = [
    {
        "exercise": "largest_n",
        "why": "returns the first n over the budget",
        "code": """
def largest_n(budget):
    n = 1
    while math.log(n) - (n - 1) / n <= budget:
        n += 1
    return n
""",
        "hint": "not the first that is over",
    },
    {
        "exercise": "largest_n",
        "why": "takes log n for the whole KL",
        "code": """
def largest_n(budget):
    return max(1, int(math.exp(budget)))
""",
        "hint": "the second term of the formula is subtracted",
    },
    {
        "exercise": "largest_n",
        "why": "measures in bits",
        "code": """
def largest_n(budget):
    n = 1
    while math.log2(n + 1) - n / (n + 1) <= budget:
        n += 1
    return n
""",
        "hint": "natural logarithm",
    },
    {
        "exercise": "gold_of_best",
        "why": "takes the best of the first n",
        "code": """
def gold_of_best(proxy, gold, n):
    return float(gold[np.argmax(proxy[:n])])
""",
        "hint": "use every sample for every n",
    },
    {
        "exercise": "gold_of_best",
        "why": "sorts the gold rewards themselves",
        "code": """
def gold_of_best(proxy, gold, n):
    total = len(proxy)
    chances = [math.comb(i, n - 1) / math.comb(total, n) for i in range(total)]
    return float(np.dot(chances, np.sort(gold)))
""",
        "hint": "carry the gold along",
    },
    {
        "exercise": "gold_of_best",
        "why": "draws with replacement",
        "code": """
def gold_of_best(proxy, gold, n):
    total = len(proxy)
    i = np.arange(1, total + 1)
    chances = (i / total) ** n - ((i - 1) / total) ** n
    return float(np.dot(chances, gold[np.argsort(proxy)]))
""",
        # n = N is the first case in which the two ways to draw differ.
        "hint": "best of N is the gold of the sample with the highest proxy",
    },
    {
        "exercise": "dpo_loss",
        "why": "forgets the reference model",
        "code": """
def dpo_loss(logp, reference_logp, mask, beta):
    total = ops.sum(mask * logp, axis=-1)
    return ops.softplus(-beta * (total[0] - total[1]))
""",
        "hint": "the reference's log-probabilities belong into the margin",
    },
    {
        "exercise": "dpo_loss",
        "why": "counts prompt and padding",
        "code": """
def dpo_loss(logp, reference_logp, mask, beta):
    ratio = ops.sum(logp - reference_logp, axis=-1)
    return ops.softplus(-beta * (ratio[0] - ratio[1]))
""",
        "hint": "prompt and padding must not count",
    },
    {
        "exercise": "dpo_loss",
        "why": "takes the mean over tokens",
        "code": """
def dpo_loss(logp, reference_logp, mask, beta):
    ratio = ops.sum(mask * (logp - reference_logp), axis=-1) / ops.sum(mask, axis=-1)
    return ops.softplus(-beta * (ratio[0] - ratio[1]))
""",
        "hint": "not their mean",
    },
    {
        "exercise": "dpo_loss",
        "why": "prefers the rejected one",
        "code": """
def dpo_loss(logp, reference_logp, mask, beta):
    ratio = ops.sum(mask * (logp - reference_logp), axis=-1)
    return ops.softplus(beta * (ratio[0] - ratio[1]))
""",
        "hint": "the sign of the margin",
    },
    {
        "exercise": "dpo_loss",
        "why": "takes the logarithm of a sigmoid that is 0",
        "code": """
def dpo_loss(logp, reference_logp, mask, beta):
    ratio = ops.sum(mask * (logp - reference_logp), axis=-1)
    return -ops.log(ops.sigmoid(beta * (ratio[0] - ratio[1])))
""",
        "hint": "in a form that does not overflow",
    },
    {
        "exercise": "leashed",
        "why": "forgets the reference in the optimum",
        "code": """
def leashed_value(policy, reference, rewards, beta):
    return policy @ rewards - beta * np.sum(policy * np.log(policy / reference))


def leashed_optimum(reference, rewards, beta):
    weights = np.exp(rewards / beta)
    return weights / weights.sum()
""",
        "hint": "π_ref belongs into the weights",
    },
    {
        "exercise": "leashed",
        "why": "multiplies by β",
        "code": """
def leashed_value(policy, reference, rewards, beta):
    return policy @ rewards - beta * np.sum(policy * np.log(policy / reference))


def leashed_optimum(reference, rewards, beta):
    weights = reference * np.exp(rewards * beta)
    return weights / weights.sum()
""",
        "hint": "is r divided by β",
    },
    {
        "exercise": "leashed",
        "why": "turns the KL around",
        "code": """
def leashed_value(policy, reference, rewards, beta):
    return policy @ rewards - beta * np.sum(reference * np.log(reference / policy))


def leashed_optimum(reference, rewards, beta):
    logits = np.log(reference) + rewards / beta
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()
""",
        "hint": "weigh by the policy",
    },
    {
        "exercise": "leashed",
        "why": "overflows",
        "code": """
def leashed_value(policy, reference, rewards, beta):
    return policy @ rewards - beta * np.sum(policy * np.log(policy / reference))


def leashed_optimum(reference, rewards, beta):
    with np.errstate(all="ignore"):
        weights = reference * np.exp(rewards / beta)
        return weights / weights.sum()
""",
        "hint": "subtract the largest logit",
    },
    {
        "exercise": "both_down",
        "why": "makes the chosen answer likelier, as DPO is meant to",
        "code": """
def both_down(reference, chosen, rejected, trap, beta):
    policy = reference.copy()
    policy[chosen] += 0.9 * policy[rejected]
    policy[rejected] *= 0.1
    return policy
""",
        "hint": "the chosen answer must lose",
    },
    {
        "exercise": "both_down",
        "why": "lowers both by the same factor",
        "code": """
def both_down(reference, chosen, rejected, trap, beta):
    policy = 0.01 * reference
    policy[trap] += 0.99
    return policy
""",
        "hint": "fall by the same factor",
    },
    {
        "exercise": "both_down",
        "why": "lowers without giving the mass to anything",
        "code": """
def both_down(reference, chosen, rejected, trap, beta):
    policy = reference.copy()
    policy[chosen] *= 0.05
    policy[rejected] *= 1e-6
    return policy
""",
        "hint": "has to go somewhere",
    },
    {
        "exercise": "both_down",
        "why": "makes the rejected answer impossible",
        "code": """
def both_down(reference, chosen, rejected, trap, beta):
    policy = 0.01 * reference
    policy[rejected] = 0.0
    policy[trap] = 0.0
    policy[trap] = 1 - policy.sum()
    return policy
""",
        "hint": "not impossible",
    },
]
