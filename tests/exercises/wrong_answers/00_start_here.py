"""Plausible wrong answers to the exercises of notebook 00, and the hints they meet."""

WRONG = [
    {
        "exercise": "rise",
        "why": "takes the spread of single texts for the error of the mean",
        "code": """
def rise(before, after):
    before, after = np.asarray(before, float), np.asarray(after, float)
    return after.mean() - before.mean(), np.sqrt(before.var() + after.var())
""",
        "hint": "how far single texts scatter",
    },
    {
        "exercise": "rise",
        "why": "adds standard errors instead of their squares",
        "code": """
def rise(before, after):
    before, after = np.asarray(before, float), np.asarray(after, float)
    error = before.std() / before.size**0.5 + after.std() / after.size**0.5
    return after.mean() - before.mean(), error
""",
        "hint": "add up as squares",
    },
    {
        "exercise": "rise",
        "why": "subtracts the wrong way round",
        "code": """
def rise(before, after):
    before, after = np.asarray(before, float), np.asarray(after, float)
    error = np.sqrt(before.var() / before.size + after.var() / after.size)
    return before.mean() - after.mean(), error
""",
        "hint": "take what was before from what came after",
    },
    {
        "exercise": "rise",
        "why": "divides both variances by the number of texts before",
        "code": """
def rise(before, after):
    before, after = np.asarray(before, float), np.asarray(after, float)
    error = np.sqrt((before.var() + after.var()) / before.size)
    return after.mean() - before.mean(), error
""",
        "hint": "the number of its own texts",
    },
    {
        "exercise": "advantages",
        "why": "the mean of the whole batch as the baseline",
        "code": """
def advantages(rewards, log_ratios, beta):
    R = np.asarray(rewards, float) - beta * np.asarray(log_ratios, float)
    return R - R.mean()
""",
        "hint": "must stay out of its baseline",
    },
    {
        "exercise": "advantages",
        "why": "forgets the leash",
        "code": """
def advantages(rewards, log_ratios, beta):
    r = np.asarray(rewards, float)
    return r - (r.sum() - r) / (r.size - 1)
""",
        "hint": "the log-ratios are missing",
    },
    {
        "exercise": "advantages",
        "why": "rewards distance instead of charging for it",
        "code": """
def advantages(rewards, log_ratios, beta):
    R = np.asarray(rewards, float) + beta * np.asarray(log_ratios, float)
    return R - (R.sum() - R) / (R.size - 1)
""",
        "hint": "look at the sign of the KL term",
    },
    {
        "exercise": "advantages",
        "why": "a baseline of the bare rewards",
        "code": """
def advantages(rewards, log_ratios, beta):
    r = np.asarray(rewards, float)
    R = r - beta * np.asarray(log_ratios, float)
    return R - (r.sum() - r) / (r.size - 1)
""",
        "hint": "made of R",
    },
    {
        "exercise": "fool",
        "why": "a text that everybody likes",
        "code": """
def fool():
    return "I love this great phone, what a good and happy day"
""",
        "hint": "the judge likes it too",
    },
    {
        "exercise": "fool",
        "why": "a complaint that the reward does not like either",
        "code": """
def fool():
    return "I hate this terrible phone and its awful sound, not good"
""",
        "hint": "the reward does not like it yet",
    },
    {
        "exercise": "fool",
        "why": "repeats one word, as a policy without a leash does",
        "code": """
def fool():
    return "good good good hate hate hate"
""",
        "hint": "that is no language",
    },
]
