"""Plausible wrong answers to the exercises of notebook 15, and the hint they meet."""

WRONG = [
    {
        "exercise": "kappa",
        "why": "takes one half for chance",
        "code": """
def kappa(table):
    observed = np.trace(table) / np.sum(table)
    chance = 1 / len(table)
    return (observed - chance) / (1 - chance)
""",
        "hint": "chance agreement is not one half here",
    },
    {
        "exercise": "kappa",
        "why": "squares the habits of the first rater",
        "code": """
def kappa(table):
    share = table / table.sum()
    chance = np.sum(share.sum(axis=1) ** 2)
    return (np.trace(share) - chance) / (1 - chance)
""",
        "hint": "the first rater's share (its row) times the second one's",
    },
    {
        "exercise": "kappa",
        "why": "does not divide by the number of pairs",
        "code": """
def kappa(table):
    chance = table.sum(axis=1) @ table.sum(axis=0)
    return (np.trace(table) - chance) / (1 - chance)
""",
        "hint": "divide the counts by their sum first",
    },
    {
        "exercise": "nominal_alpha",
        "why": "takes a missing answer for an answer",
        "code": """
def nominal_alpha(items):
    everything = [v for item in items for v in item]
    n = len(everything)

    def disputes(values):
        return sum(u != v for u in values for v in values)

    within = sum(disputes(i) / (len(i) - 1) for i in items if len(i) > 1) / n
    return 1 - within / (disputes(everything) / (n * (n - 1)))
""",
        "hint": "a missing answer is no answer",
    },
    {
        "exercise": "nominal_alpha",
        "why": "lets items with one answer into the expected disagreement",
        "code": """
def nominal_alpha(items):
    items = [[v for v in item if v is not None] for item in items]
    everything = [v for item in items for v in item]
    n = len(everything)

    def disputes(values):
        return sum(u != v for u in values for v in values)

    within = sum(disputes(i) / (len(i) - 1) for i in items if len(i) > 1) / n
    return 1 - within / (disputes(everything) / (n * (n - 1)))
""",
        "hint": "can agree with nobody",
    },
    {
        "exercise": "nominal_alpha",
        "why": "divides an item by its number of answers",
        "code": """
def nominal_alpha(items):
    items = [[v for v in item if v is not None] for item in items]
    items = [item for item in items if len(item) > 1]
    everything = [v for item in items for v in item]
    n = len(everything)

    def disputes(values):
        return sum(u != v for u in values for v in values)

    within = sum(disputes(item) / len(item) for item in items) / n
    return 1 - within / (disputes(everything) / n**2)
""",
        "hint": "divides by n_i − 1",
    },
    {
        "exercise": "nominal_alpha",
        "why": "uses the squared difference where it can",
        "code": """
def nominal_alpha(items):
    items = [[v for v in item if v is not None] for item in items]
    items = [item for item in items if len(item) > 1]
    everything = [v for item in items for v in item]
    n = len(everything)

    def gap(u, v):
        return u != v if isinstance(u, str) else (u - v) ** 2

    def disputes(values):
        return sum(gap(u, v) for u in values for v in values)

    within = sum(disputes(item) / (len(item) - 1) for item in items) / n
    return 1 - within / (disputes(everything) / (n * (n - 1)))
""",
        "hint": "for names a difference of 3 is as bad as one of 1",
    },
    {
        "exercise": "em_round",
        "why": "counts against the majority, hard",
        "code": """
def em_round(items, raters, answers, q):
    right = answers == (q[items] > 0.5)
    accuracy = (3 + np.bincount(raters, right)) / (4 + np.bincount(raters))
    weight = np.log(accuracy / (1 - accuracy))[raters] * np.where(answers == 1, 1, -1)
    return 1 / (1 + np.exp(-np.bincount(items, weight, len(q)))), accuracy
""",
        "hint": "by its probability of being right",
    },
    {
        "exercise": "em_round",
        "why": "forgets the answers that everybody starts with",
        "code": """
def em_round(items, raters, answers, q):
    right = np.where(answers == 1, q[items], 1 - q[items])
    accuracy = np.bincount(raters, right) / np.bincount(raters)
    weight = np.log(accuracy / (1 - accuracy))[raters] * np.where(answers == 1, 1, -1)
    return 1 / (1 + np.exp(-np.bincount(items, weight, len(q)))), accuracy
""",
        "hint": "the four answers that a new rater starts with",
    },
    {
        "exercise": "em_round",
        "why": "adds the weight for answers of 0 as well",
        "code": """
def em_round(items, raters, answers, q):
    right = np.where(answers == 1, q[items], 1 - q[items])
    accuracy = (3 + np.bincount(raters, right)) / (4 + np.bincount(raters))
    weight = np.log(accuracy / (1 - accuracy))[raters]
    return 1 / (1 + np.exp(-np.bincount(items, weight, len(q)))), accuracy
""",
        "hint": "an answer of 0 takes it off",
    },
    {
        "exercise": "em_round",
        "why": "takes the share of votes, weighted, for the belief",
        "code": """
def em_round(items, raters, answers, q):
    right = np.where(answers == 1, q[items], 1 - q[items])
    accuracy = (3 + np.bincount(raters, right)) / (4 + np.bincount(raters))
    weight = accuracy[raters]
    return np.bincount(items, weight * answers) / np.bincount(items, weight), accuracy
""",
        "hint": "the belief follows from the log-odds",
    },
    {
        "exercise": "next_pairs",
        "why": "asks where the mean is open",
        "code": """
def next_pairs(margins, pairs, k):
    p = (1 / (1 + np.exp(-margins))).mean(axis=0)
    taken, seen = [], set()
    for i in np.argsort(np.abs(p - 0.5) + 1e-6 * np.abs(margins).mean(0)):
        if len(taken) < k and not seen & set(pairs[i].tolist()):
            taken.append(i)
            seen |= set(pairs[i].tolist())
    return taken
""",
        "hint": "asking buys a coin",
    },
    {
        "exercise": "next_pairs",
        "why": "meets the logarithm of 0",
        "code": """
def next_pairs(margins, pairs, k):
    def entropy(p):
        return -p * np.log(p) - (1 - p) * np.log(1 - p)

    p = 1 / (1 + np.exp(-margins))
    bald = entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)
    taken, seen = [], set()
    for i in np.argsort(-bald, kind="stable"):
        if len(taken) < k and not seen & set(pairs[i].tolist()):
            taken.append(i)
            seen |= set(pairs[i].tolist())
    return taken
""",
        "hint": "0 · log 0 is 0",
    },
    {
        "exercise": "next_pairs",
        "why": "takes the k best without regard to shared texts",
        "code": """
def next_pairs(margins, pairs, k):
    def entropy(p):
        p = np.clip(p, 1e-12, 1 - 1e-12)
        return -p * np.log(p) - (1 - p) * np.log(1 - p)

    p = 1 / (1 + np.exp(-margins))
    bald = entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)
    return np.argsort(-bald, kind="stable")[:k].tolist()
""",
        "hint": "share a text with pair 0",
    },
    {
        "exercise": "next_pairs",
        "why": "asks where the margins vary",
        "code": """
def next_pairs(margins, pairs, k):
    taken, seen = [], set()
    for i in np.argsort(-margins.var(axis=0), kind="stable"):
        if len(taken) < k and not seen & set(pairs[i].tolist()):
            taken.append(i)
            seen |= set(pairs[i].tolist())
    return taken
""",
        "hint": "the spread of the margins misleads",
    },
    {
        "exercise": "next_pairs",
        "why": "lets skipped pairs block their texts too",
        "code": """
def next_pairs(margins, pairs, k):
    def entropy(p):
        p = np.clip(p, 1e-12, 1 - 1e-12)
        return -p * np.log(p) - (1 - p) * np.log(1 - p)

    p = 1 / (1 + np.exp(-margins))
    bald = entropy(p.mean(axis=0)) - entropy(p).mean(axis=0)
    taken, seen = [], set()
    for i in np.argsort(-bald, kind="stable"):
        if len(taken) < k and not seen & set(pairs[i].tolist()):
            taken.append(i)
        seen |= set(pairs[i].tolist())
    return taken
""",
        "hint": "only taken pairs block texts",
    },
    {
        "exercise": "suspects",
        "why": "accuses the two worst of every class",
        "code": """
def suspects(answers, left):
    asked = answers >= 0
    share = np.where(asked, answers, 0).sum(1) / asked.sum(1)
    same = ((share > 0.5)[:, None] == answers) & asked
    return set(np.argsort(same.sum(0) / asked.sum(0))[:2].tolist())
""",
        "hint": "the worst of twelve is no clicker",
    },
    {
        "exercise": "suspects",
        "why": "looks at agreement alone",
        "code": """
def suspects(answers, left):
    asked = answers >= 0
    total = np.where(asked, answers, 0).sum(1, keepdims=True)
    others = total - np.where(asked, answers, 0)
    share = others / np.maximum(asked.sum(1, keepdims=True) - asked, 1)
    same = (share > 0.5) == answers
    decided = asked & (share != 0.5)
    agreement = (same & decided).sum(0) / decided.sum(0)
    return set(np.flatnonzero(agreement < 0.6).tolist())
""",
        "hint": "What else is known",
    },
    {
        "exercise": "suspects",
        "why": "looks at the position alone",
        "code": """
def suspects(answers, left):
    asked = answers >= 0
    side = (left & asked).sum(0) / asked.sum(0)
    return set(np.flatnonzero(side > 0.5 + 3.3 * 0.5 / asked.sum(0) ** 0.5).tolist())
""",
        "hint": "whatever side they press",
    },
    {
        "exercise": "suspects",
        "why": "tests each rater at 5 %, and there are twelve",
        "code": """
def suspects(answers, left):
    asked = answers >= 0
    side = (left & asked).sum(0) / asked.sum(0)
    return set(np.flatnonzero(np.abs(side - 0.5) > 0.98 / asked.sum(0) ** 0.5).tolist())
""",
        "hint": "for all twelve together",
    },
]
