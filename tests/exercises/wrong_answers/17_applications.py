"""Plausible wrong answers to the exercises of notebook 17, and the hint they meet."""

BLEU = """
def smoothed_bleu(answer, reference):
    a, b = answer.split(), reference.split()
    orders = min(4, len(a))
    if not orders:
        return 0.0

    def runs(words, n):
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    product = 1.0
    for n in range(1, orders + 1):
        ours, theirs = runs(a, n), runs(b, n)
        matched, more = (ours & theirs).total(), int(n > 1)
        product *= (matched + more) / (ours.total() + more)
    return min(1.0, np.exp(1 - len(b) / len(a))) * product ** (1 / orders)
"""

CHRF = """
def chrf(answer, reference):
    a, b = ("".join(text.lower().split()) for text in (answer, reference))
    precisions, recalls = [], []
    for n in range(1, min(6, len(a), len(b)) + 1):
        ours = Counter(a[i : i + n] for i in range(len(a) - n + 1))
        theirs = Counter(b[i : i + n] for i in range(len(b) - n + 1))
        matched = (ours & theirs).total()
        precisions.append(matched / ours.total())
        recalls.append(matched / theirs.total())
    if not sum(precisions):
        return 0.0
    p, r = np.mean(precisions), np.mean(recalls)
    return 5 * p * r / (4 * p + r)
"""


def changed(code, *pairs):
    """Returns a right answer with parts exchanged."""
    for old, new in pairs:
        assert old in code
        code = code.replace(old, new)
    return code


WRONG = [
    {
        "exercise": "is_right",
        "why": "looks for the accepted answer anywhere",
        "code": """
def is_right(answer, accepted):
    return any(text.lower() in answer.lower() for text in accepted)
""",
        "hint": "may say the opposite",
    },
    {
        "exercise": "is_right",
        "why": "lowers case and strips, no more",
        "code": """
def is_right(answer, accepted):
    return answer.strip().lower() in [text.strip().lower() for text in accepted]
""",
        "hint": "the full stop at the end",
    },
    {
        "exercise": "is_right",
        "why": "takes all signs out",
        "code": """
def is_right(answer, accepted):
    def plain(text):
        words = re.sub(r"[^a-z0-9 ]", "", text.lower()).split()
        return [word for word in words if word not in ("a", "an", "the")]

    return any(plain(answer) == plain(text) for text in accepted)
""",
        "hint": "take them off the ends alone",
    },
    {
        "exercise": "is_right",
        "why": "takes the articles out of words",
        "code": """
def is_right(answer, accepted):
    def plain(text):
        text = re.sub("the|an|a", "", text.lower())
        return [w for w in (word.strip(".,;:!?\\"'") for word in text.split()) if w]

    return any(plain(answer) == plain(text) for text in accepted)
""",
        "hint": "articles are words",
    },
    {
        "exercise": "is_right",
        "why": "compares with the first accepted answer",
        "code": """
def is_right(answer, accepted):
    def plain(text):
        words = [word.strip(".,;:!?\\"'") for word in text.lower().split()]
        return [word for word in words if word not in ("", "a", "an", "the")]

    return bool(accepted) and plain(answer) == plain(accepted[0])
""",
        "hint": "any of the accepted answers",
    },
    {
        "exercise": "smoothed_bleu",
        "why": "does not smooth",
        "code": changed(BLEU, ("int(n > 1)", "0")),
        "hint": "add one to both counts",
    },
    {
        "exercise": "smoothed_bleu",
        "why": "does not clip the matches",
        "code": changed(
            BLEU,
            (
                "(ours & theirs).total()",
                "sum(ours[run] for run in ours if run in theirs)",
            ),
        ),
        "hint": "clip the matches",
    },
    {
        "exercise": "smoothed_bleu",
        "why": "turns the penalty around",
        "code": changed(BLEU, ("len(b) / len(a)", "len(a) / len(b)")),
        "hint": "too short is punished",
    },
    {
        "exercise": "smoothed_bleu",
        "why": "smooths single words as well",
        "code": changed(BLEU, ("int(n > 1)", "1")),
        "hint": "p₁ is 4/5",
    },
    {
        "exercise": "smoothed_bleu",
        "why": "forgets the root",
        "code": changed(BLEU, (" ** (1 / orders)", "")),
        "hint": "the N-th root of the product",
    },
    {
        "exercise": "chrf",
        "why": "is F1",
        "code": changed(CHRF, ("5 * p * r / (4 * p + r)", "2 * p * r / (p + r)")),
        "hint": "β = 2 makes recall count more",
    },
    {
        "exercise": "chrf",
        "why": "exchanges precision and recall",
        "code": changed(CHRF, ("(4 * p + r)", "(p + 4 * r)")),
        "hint": "precision and recall are exchanged",
    },
    {
        "exercise": "chrf",
        "why": "compares sets of runs, so that repeating is free",
        "code": changed(
            CHRF,
            ("Counter(a[i : i + n]", "set(a[i : i + n]"),
            ("Counter(b[i : i + n]", "set(b[i : i + n]"),
            ("(ours & theirs).total()", "len(ours & theirs)"),
            ("ours.total()", "len(ours)"),
            ("theirs.total()", "len(theirs)"),
        ),
        "hint": "at most as often as the other text",
    },
    {
        "exercise": "chrf",
        "why": "keeps the spaces",
        "code": changed(CHRF, ('"".join(text.lower().split())', "text.lower()")),
        "hint": "spaces and case do not count",
    },
    {
        "exercise": "threshold",
        "why": "takes the quantile of all scores",
        "code": """
def threshold(civil, rude, rate):
    cut = np.quantile(np.concatenate([civil, rude]), rate)
    return cut, np.mean(rude < cut)
""",
        "hint": "it can be raised up to the next civil",
    },
    {
        "exercise": "threshold",
        "why": "lets the rate pass among the rude ones",
        "code": """
def threshold(civil, rude, rate):
    cut = np.quantile(rude, 1 - rate)
    return cut, np.mean(rude < cut)
""",
        "hint": "nor about the rude ones",
    },
    {
        "exercise": "threshold",
        "why": "interpolates between two civil scores",
        "code": """
def threshold(civil, rude, rate):
    cut = np.quantile(civil, rate)
    return cut, np.mean(rude < cut)
""",
        "hint": "it can be raised up to the next civil",
    },
    {
        "exercise": "threshold",
        "why": "marks the high scores",
        "code": """
def threshold(civil, rude, rate):
    cut = np.sort(civil)[::-1][int(rate * len(civil))]
    return cut, np.mean(rude > cut)
""",
        "hint": "the rate is about the civil ones",
    },
    {
        "exercise": "threshold",
        "why": "gives the share of all marked replies that are rude",
        "code": """
def threshold(civil, rude, rate):
    cut = np.sort(civil)[int(rate * len(civil) + 1e-9)]
    return cut, np.sum(rude < cut) / (np.sum(rude < cut) + np.sum(civil < cut) + 1e-9)
""",
        "hint": "not which share of what is marked is rude",
    },
    {
        "exercise": "fair_reward",
        "why": "counts the words that both have and nothing else",
        "code": """
def fair_reward(answer, reference):
    wanted = reference.lower().split()
    return sum(word in wanted for word in answer.lower().split())
""",
        "hint": "saying the reference three times pays",
    },
    {
        "exercise": "fair_reward",
        "why": "takes too little off for a rude word",
        "code": """
def fair_reward(answer, reference):
    said = re.findall(r"\\w+", answer.lower())
    likeness = ChrfReward()([answer], references=[reference])[0] if said else -1
    too_long = max(0.0, len(said) / len(reference.split()) - 1.2)
    return likeness - min(too_long, 0.9) - 0.1 * sum(word in RUDE for word in said)
""",
        "hint": "must be more than all the rest can give",
    },
    {
        "exercise": "fair_reward",
        "why": "finds rude words inside others",
        "code": """
def fair_reward(answer, reference):
    said = answer.lower().split()
    if not said:
        return -1.0
    likeness = ChrfReward()([answer], references=[reference])[0]
    too_long = max(0.0, len(said) / len(reference.split()) - 1.2)
    rude = any(word in answer.lower() for word in RUDE)
    return max(likeness - too_long, -0.5 + 0.1 * likeness) - 10.0 * rude
""",
        "hint": "a rude answer is above a civil one",
    },
    {
        "exercise": "fair_reward",
        "why": "makes silence the safe choice",
        "code": """
def fair_reward(answer, reference):
    said = re.findall(r"\\w+", answer.lower())
    if not said:
        return 0.0
    likeness = ChrfReward()([answer], references=[reference])[0]
    too_long = max(0.0, len(said) / len(reference.split()) - 1.2)
    rude = any(word in RUDE for word in said)
    return likeness - 2 * too_long - 10.0 * rude
""",
        "hint": "silence must not be the safe choice",
    },
    {
        "exercise": "fair_reward",
        "why": "rewards equality alone",
        "code": """
def fair_reward(answer, reference):
    rude = any(word in RUDE for word in answer.lower().split())
    return ExactMatch()([answer], references=[reference])[0] - 2.0 * rude
""",
        "hint": "not only equality",
    },
]
