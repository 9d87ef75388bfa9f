"""Plausible wrong answers to the exercises of notebook 13, and the hint they meet."""

WRONG = [
    {
        "exercise": "stop_in_time",
        "why": "stops for good at the first look over the budget",
        "code": """
def stop_in_time(kl, proxy, budget):
    best = 0
    for i in range(len(kl)):
        if kl[i] > budget:
            break
        if proxy[i] > proxy[best]:
            best = i
    return best
""",
        "hint": "go through all looks",
    },
    {
        "exercise": "stop_in_time",
        "why": "returns the place among the looks that are left",
        "code": """
def stop_in_time(kl, proxy, budget):
    within = np.flatnonzero(np.asarray(kl) <= budget)
    return int(np.argmax(np.asarray(proxy)[within]))
""",
        "hint": "not yet an index in the whole list",
    },
    {
        "exercise": "stop_in_time",
        "why": "takes the highest proxy and forgets the budget",
        "code": """
def stop_in_time(kl, proxy, budget):
    return int(np.argmax(proxy))
""",
        "hint": "only looks within the budget may be kept",
    },
    {
        "exercise": "stop_in_time",
        "why": "sets looks over the budget to 0",
        "code": """
def stop_in_time(kl, proxy, budget):
    return int(np.argmax(np.where(np.asarray(kl) <= budget, proxy, 0.0)))
""",
        "hint": "must not count as 0",
    },
    {
        "exercise": "real_gain",
        "why": "uses standard deviations in place of variances",
        "code": """
def real_gain(proxy, gold_std, error_std):
    return proxy * gold_std / (gold_std + error_std)
""",
        "hint": "squares of standard deviations",
    },
    {
        "exercise": "real_gain",
        "why": "takes the share of the error",
        "code": """
def real_gain(proxy, gold_std, error_std):
    return proxy * error_std**2 / (gold_std**2 + error_std**2)
""",
        "hint": "Is your share that of the error?",
    },
    {
        "exercise": "real_gain",
        "why": "subtracts a typical error",
        "code": """
def real_gain(proxy, gold_std, error_std):
    return proxy - error_std
""",
        "hint": "is not subtracted",
    },
    {
        "exercise": "gold_peak",
        "why": "fits in the KL, not in its root",
        "code": """
def gold_peak(kl, gold):
    gain = gold - gold[0]
    (alpha, beta), *_ = np.linalg.lstsq(np.stack([kl, -(kl**2)], 1), gain, rcond=None)
    return alpha, beta, alpha / (2 * beta)
""",
        "hint": "the root of the KL",
    },
    {
        "exercise": "gold_peak",
        "why": "does not subtract the start",
        "code": """
def gold_peak(kl, gold):
    d = np.sqrt(kl)
    (alpha, beta), *_ = np.linalg.lstsq(np.stack([d, -(d**2)], 1), gold, rcond=None)
    return alpha, beta, (alpha / (2 * beta)) ** 2 if beta > 0 else np.inf
""",
        "hint": "subtract that first",
    },
    {
        "exercise": "gold_peak",
        "why": "returns the distance and not the KL",
        "code": """
def gold_peak(kl, gold):
    d, gain = np.sqrt(kl), gold - gold[0]
    (alpha, beta), *_ = np.linalg.lstsq(np.stack([d, -(d**2)], 1), gain, rcond=None)
    return alpha, beta, alpha / (2 * beta) if beta > 0 else np.inf
""",
        "hint": "return its KL",
    },
    {
        "exercise": "gold_peak",
        "why": "takes the zero of the curve for its peak",
        "code": """
def gold_peak(kl, gold):
    d, gain = np.sqrt(kl), gold - gold[0]
    (alpha, beta), *_ = np.linalg.lstsq(np.stack([d, -(d**2)], 1), gain, rcond=None)
    return alpha, beta, (alpha / beta) ** 2 if beta > 0 else np.inf
""",
        "hint": "where the curve itself is 0 again is further out",
    },
    {
        "exercise": "gold_peak",
        "why": "fits a parabola with an intercept",
        "code": """
def gold_peak(kl, gold):
    minus_beta, alpha, _ = np.polyfit(np.sqrt(kl), gold, 2)
    peak = (alpha / (2 * minus_beta)) ** 2 if minus_beta < 0 else np.inf
    return alpha, -minus_beta, peak
""",
        "hint": "without an intercept",
    },
    {
        "exercise": "cautious",
        "why": "takes the standard deviation over the texts",
        "code": """
def cautious(scores, at_start, k):
    scaled = (scores - at_start.mean(1, keepdims=True)) / at_start.std(1, keepdims=True)
    return scaled.mean(axis=0) - k * scaled.std(axis=1).mean()
""",
        "hint": "that of the members on one text",
    },
    {
        "exercise": "cautious",
        "why": "rewards disagreement",
        "code": """
def cautious(scores, at_start, k):
    scaled = (scores - at_start.mean(1, keepdims=True)) / at_start.std(1, keepdims=True)
    return scaled.mean(axis=0) + k * scaled.std(axis=0)
""",
        "hint": "subtract the standard deviation",
    },
    {
        "exercise": "cautious",
        "why": "leaves each member on its own scale",
        "code": """
def cautious(scores, at_start, k):
    return scores.mean(axis=0) - k * scores.std(axis=0)
""",
        "hint": "outvotes the rest",
    },
    {
        "exercise": "cautious",
        "why": "takes one mean and one standard deviation for all members",
        "code": """
def cautious(scores, at_start, k):
    scaled = (scores - at_start.mean()) / at_start.std()
    return scaled.mean(axis=0) - k * scaled.std(axis=0)
""",
        "hint": "bring each member to",
    },
    {
        "exercise": "attacks",
        "why": "repeats so little that gold still likes it",
        "code": """
def attacks():
    return {
        "repetition": "good good good good",
        "negation": "Not good, not great, never lovely or happy.",
        "length": " ".join(f"{a}{b}" for a in "abcdef" for b in "uvwxyz"),
    }
""",
        "hint": "This text is one that people would like too",
    },
    {
        "exercise": "attacks",
        "why": "negates unkind words, which the proxy hates",
        "code": """
def attacks():
    return {
        "repetition": "good " * 40,
        "negation": "Not bad, never boring, hardly a poor film.",
        "length": " ".join(f"{a}{b}" for a in "abcdef" for b in "uvwxyz"),
    }
""",
        "hint": "what does it not look at",
    },
    {
        "exercise": "attacks",
        "why": "reaches the length by repeating",
        "code": """
def attacks():
    return {
        "repetition": "good " * 40,
        "negation": "Not good, not great, never lovely or happy.",
        "length": "the film went on " * 10,
    }
""",
        "hint": "no word may come more than three times",
    },
]
