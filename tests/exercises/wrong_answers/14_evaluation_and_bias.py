"""Plausible wrong answers to the exercises of notebook 14, and the hint they meet."""

PROBES = """
def blind_spots():
    other = {"Ann": "Bob", "Bob": "Ann"}
    return {
        "length": lambda text: text + " this is what there is to be said about it",
        "shouting": str.upper,
        "exclamation": lambda text: text + "!",
        "quotes": lambda text: f'"{text}"',
        "names": lambda text: re.sub(r"\\b(Ann|Bob)\\b", lambda m: other[m[0]], text),
    }
"""


def probes(old, new):
    """Returns a right answer to the last exercise with one probe exchanged."""
    assert old in PROBES
    return PROBES.replace(old, new)


INTERVAL = """
def accuracy_interval(right):
    n, share, z = {n}, {share}, {z}
    middle = share + z**2 / (2 * n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / ({under}))
    below = {below}
    return (middle - reach) / below, (middle + reach) / below
"""


def interval(
    n="len(right)",
    share="np.mean(right)",
    z="1.96",
    under="4 * n**2",
    below="1 + z**2 / n",
):
    """Wilson's interval with one thing wrong."""
    return INTERVAL.format(n=n, share=share, z=z, under=under, below=below)


WRONG = [
    {
        "exercise": "accuracy_interval",
        "why": "the textbook's p̂ ± z · standard error",
        "code": """
def accuracy_interval(right):
    share = np.mean(right)
    reach = 1.96 * np.sqrt(share * (1 - share) / len(right))
    return share - reach, share + reach
""",
        "hint": "has no width at all",
    },
    {
        "exercise": "accuracy_interval",
        "why": "does not divide",
        "code": interval(below="1"),
        "hint": "divided by 1 + z²/n",
    },
    {
        "exercise": "accuracy_interval",
        "why": "n is not squared under the root",
        "code": interval(under="4 * n"),
        "hint": "n is squared in z²/(4n²)",
    },
    {
        "exercise": "accuracy_interval",
        "why": "one standard deviation to each side",
        "code": interval(z="1.0"),
        "hint": "z = 1.96 stands before the root",
    },
    {
        "exercise": "accuracy_interval",
        "why": "a tie is wrong",
        "code": interval(share="np.mean(right == 1)"),
        "hint": "A tie counts one half",
    },
    {
        "exercise": "accuracy_interval",
        "why": "leaves ties out of the number of pairs",
        "code": interval(n="max(1, np.sum(right != 0.5))"),
        "hint": "does n count all pairs",
    },
    {
        "exercise": "pair_ece",
        "why": "believes the order in the file",
        "code": """
def pair_ece(margin, bins=10):
    confidence = 1 / (1 + np.exp(-margin))
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = place == b
        if inside.any():
            total += inside.mean() * abs(1.0 - confidence[inside].mean())
    return total
""",
        "hint": "the text that the model prefers",
    },
    {
        "exercise": "pair_ece",
        "why": "gives each bin the same weight",
        "code": """
def pair_ece(margin, bins=10):
    confidence = 1 / (1 + np.exp(-np.abs(margin)))
    right = 0.5 + 0.5 * np.sign(margin)
    place = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    return np.mean(
        [
            abs(right[place == b].mean() - confidence[place == b].mean())
            for b in np.unique(place)
        ]
    )
""",
        "hint": "a bin weighs as much as it has pairs",
    },
    {
        "exercise": "pair_ece",
        "why": "lets the bins run from 0 to 1",
        "code": """
def pair_ece(margin, bins=10):
    confidence = 1 / (1 + np.exp(-np.abs(margin)))
    right = 0.5 + 0.5 * np.sign(margin)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = place == b
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total
""",
        "hint": "where does your first bin begin",
    },
    {
        "exercise": "pair_ece",
        "why": "counts a tie as wrong",
        "code": """
def pair_ece(margin, bins=10):
    confidence, right = 1 / (1 + np.exp(-np.abs(margin))), margin > 0
    place = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = place == b
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total
""",
        "hint": "a tie is a promise of 50 %",
    },
    {
        "exercise": "pair_ece",
        "why": "leaves a confidence of 1 out of the last bin",
        "code": """
def pair_ece(margin, bins=10):
    confidence = 1 / (1 + np.exp(-np.abs(margin)))
    right = 0.5 + 0.5 * np.sign(margin)
    edges, total = np.linspace(0.5, 1, bins + 1), 0.0
    for low, high in zip(edges, edges[1:]):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total
""",
        "hint": "a confidence of 1 was lost",
    },
    {
        "exercise": "balanced_accuracy",
        "why": "takes the plain accuracy of each bin",
        "code": """
def balanced_accuracy(margin, longer, edges):
    right, found, sizes = margin > 0, [], []
    for low, high in zip(edges, edges[1:]):
        inside = (np.abs(longer) >= low) & (np.abs(longer) < high)
        if inside.any():
            found.append(right[inside].mean())
            sizes.append(inside.sum())
    return np.average(found, weights=sizes)
""",
        "hint": "both kinds of pairs weigh the same",
    },
    {
        "exercise": "balanced_accuracy",
        "why": "puts the signed difference into bins",
        "code": """
def balanced_accuracy(margin, longer, edges):
    right, total, pairs = margin > 0, 0.0, 0
    for low, high in zip(edges, edges[1:]):
        inside = (longer >= low) & (longer < high)
        up, down = right[inside & (longer > 0)], right[inside & (longer < 0)]
        if len(up) and len(down):
            total += inside.sum() * (up.mean() + down.mean()) / 2
            pairs += inside.sum()
    return total / pairs if pairs else float("nan")
""",
        "hint": "over the absolute difference",
    },
    {
        "exercise": "balanced_accuracy",
        "why": "balances over all pairs, without bins",
        "code": """
def balanced_accuracy(margin, longer, edges):
    right = margin > 0
    return (right[longer > 0].mean() + right[longer < 0].mean()) / 2
""",
        "hint": "within each bin of the length difference",
    },
    {
        "exercise": "balanced_accuracy",
        "why": "gives each bin the same weight",
        "code": """
def balanced_accuracy(margin, longer, edges):
    right, found = margin > 0, []
    for low, high in zip(edges, edges[1:]):
        inside = (np.abs(longer) >= low) & (np.abs(longer) < high)
        up, down = right[inside & (longer > 0)], right[inside & (longer < 0)]
        if len(up) and len(down):
            found.append((up.mean() + down.mean()) / 2)
    return np.mean(found)
""",
        "hint": "a bin weighs as much as it has pairs of both kinds",
    },
    {
        "exercise": "prompt_interval",
        "why": "draws pairs",
        "code": """
def prompt_interval(right, prompt, draws=1000, seed=0):
    rng, n = np.random.default_rng(seed), len(right)
    found = [right[rng.integers(n, size=n)].mean() for _ in range(draws)]
    return tuple(np.quantile(found, [0.025, 0.975]))
""",
        "hint": "draw prompts, not pairs",
    },
    {
        "exercise": "prompt_interval",
        "why": "draws without replacement",
        "code": """
def prompt_interval(right, prompt, draws=1000, seed=0):
    rng, names = np.random.default_rng(seed), np.unique(prompt)
    total = {p: (right[prompt == p].sum(), (prompt == p).sum()) for p in names}
    found = []
    for _ in range(draws):
        won, pairs = np.sum([total[p] for p in rng.permutation(names)], axis=0)
        found.append(won / pairs)
    return tuple(np.quantile(found, [0.025, 0.975]))
""",
        "hint": "with replacement",
    },
    {
        "exercise": "prompt_interval",
        "why": "averages the prompts' accuracies",
        "code": """
def prompt_interval(right, prompt, draws=1000, seed=0):
    rng = np.random.default_rng(seed)
    own = np.array([right[prompt == p].mean() for p in np.unique(prompt)])
    found = own[rng.integers(len(own), size=(draws, len(own)))].mean(axis=1)
    return tuple(np.quantile(found, [0.025, 0.975]))
""",
        "hint": "the weight of one with nine",
    },
    {
        "exercise": "prompt_interval",
        "why": "gives one standard deviation to each side",
        "code": """
def prompt_interval(right, prompt, draws=1000, seed=0):
    rng = np.random.default_rng(seed)
    place = np.unique(prompt, return_inverse=True)[1]
    won, pairs = np.bincount(place, right), np.bincount(place)
    drawn = rng.integers(len(pairs), size=(draws, len(pairs)))
    found = won[drawn].sum(axis=1) / pairs[drawn].sum(axis=1)
    return found.mean() - found.std(), found.mean() + found.std()
""",
        "hint": "two standard deviations to each side",
    },
    {
        "exercise": "blind_spots",
        "why": "adds filler that is kind",
        "code": probes(
            '" this is what there is to be said about it"',
            '" I hope that this helps you with what you asked"',
        ),
        "hint": "the probe says something kind or unkind",
    },
    {
        "exercise": "blind_spots",
        "why": "changes length and exclamation marks at once",
        "code": probes(
            '" this is what there is to be said about it"',
            '"! And this is what there is to be said about it!!"',
        ),
        "hint": "change one thing at a time",
    },
    {
        "exercise": "blind_spots",
        "why": "replaces one name after the other",
        "code": probes(
            r're.sub(r"\b(Ann|Bob)\b", lambda m: other[m[0]], text)',
            'text.replace("Ann", "Bob").replace("Bob", "Ann")',
        ),
        "hint": "exchange both in one pass",
    },
    {
        "exercise": "blind_spots",
        "why": "exchanges parts of other words",
        "code": probes(r"\b(Ann|Bob)\b", "(Ann|Bob)"),
        "hint": "exchange whole words alone",
    },
    {
        "exercise": "blind_spots",
        "why": "exchanges one way only",
        "code": probes(
            r're.sub(r"\b(Ann|Bob)\b", lambda m: other[m[0]], text)',
            r're.sub(r"\bAnn\b", "Bob", text)',
        ),
        "hint": "exchange both in one pass",
    },
]
