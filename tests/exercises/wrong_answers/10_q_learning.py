"""Wrong answers to the exercises of notebook 10, and the hints that they must meet."""

DIARY = """
def learn_from_diary(diary, discount, rate, sweeps):
    q = {{}}
    for state, action, *_ in diary:
        q.setdefault(state, {{}})[action] = 0.0
    for _ in range({sweeps}):
        for i, (state, action, reward, following, done) in enumerate(diary):
            row = q.get(following, {{}}) or {{"": 0.0}}
            rest = {rest}
            q[state][action] {update}
    return q
"""
UPDATE = "+= rate * (reward + discount * rest - q[state][action])"


def diary(rest="0.0 if done else max(row.values())", update=UPDATE, sweeps="sweeps"):
    """A reader of diaries with one thing wrong."""
    return DIARY.format(rest=rest, update=update, sweeps=sweeps)


SOFT = """
def soft_policy(log_first, log_second, rewards, beta):
    q2 = rewards + {factor} * log_second
    top = q2.max(1)
    v2 = {value}
    q1 = {first} + v2

    def softmax(q):
        e = np.exp((q - q.max(-1, keepdims=True)) / beta)
        return e / e.sum(-1, keepdims=True)

    return softmax(q1), softmax(q2)
"""
SOFT_MAXIMUM = "top + beta * np.log(np.exp((q2 - top[:, None]) / beta).sum(1))"


def soft(factor="beta", value=SOFT_MAXIMUM, first="beta * log_first"):
    """A soft policy with one thing wrong."""
    return SOFT.format(factor=factor, value=value, first=first)


WRONG = [
    {
        "exercise": "targets",
        "why": "goes on after the end",
        "code": """
def targets(rewards, next_q, done, discount):
    return rewards + discount * next_q.max(axis=1)
""",
        "hint": "after the end nothing comes",
    },
    {
        "exercise": "targets",
        "why": "the number of the best action instead of its value",
        "code": """
def targets(rewards, next_q, done, discount):
    return rewards + discount * np.where(done, 0, next_q.argmax(axis=1))
""",
        "hint": "its value and not its number",
    },
    {
        "exercise": "targets",
        "why": "discounts the reward as well",
        "code": """
def targets(rewards, next_q, done, discount):
    return discount * (rewards + np.where(done, 0, next_q.max(axis=1)))
""",
        "hint": "only what comes later is discounted",
    },
    {
        "exercise": "targets",
        "why": "the action of the largest size, sign or not",
        "code": """
def targets(rewards, next_q, done, discount):
    best = np.abs(next_q).argmax(axis=1)
    rest = next_q[np.arange(len(next_q)), best]
    return rewards + discount * np.where(done, 0, rest)
""",
        "hint": "nearest to +∞",
    },
    {
        "exercise": "targets",
        "why": "NaN times 0",
        "code": """
def targets(rewards, next_q, done, discount):
    return rewards + discount * next_q.max(axis=1) * (1 - done)
""",
        "hint": "0 · NaN is",
    },
    {
        "exercise": "learn_from_diary",
        "why": "takes what the walker did next (SARSA)",
        "code": diary(
            rest="0.0 if done else q[following][diary[(i + 1) % len(diary)][1]]"
        ),
        "hint": "happened to take",
    },
    {
        "exercise": "learn_from_diary",
        "why": "the mean of the next actions",
        "code": diary(rest="0.0 if done else np.mean(list(row.values()))"),
        "hint": "not an average",
    },
    {
        "exercise": "learn_from_diary",
        "why": "goes on after the end",
        "code": diary(rest="max(row.values())"),
        "hint": "that is the end",
    },
    {
        "exercise": "learn_from_diary",
        "why": "replaces the value by the target",
        "code": diary(update="= reward + discount * rest"),
        "hint": "does not replace it",
    },
    {
        "exercise": "learn_from_diary",
        "why": "reads the diary once",
        "code": diary(sweeps="1"),
        "hint": "Is it read `sweeps` times",
    },
    {
        "exercise": "estimates",
        "why": "double chooses and judges with the same network",
        "code": """
def estimates(q_a, q_b):
    single, best = q_a.max(axis=1), q_a.argmax(axis=1)
    double = q_a[np.arange(len(q_a)), best]
    return single, double, np.minimum(q_a, q_b).max(axis=1)
""",
        "hint": "choose and judge with the same",
    },
    {
        "exercise": "estimates",
        "why": "double is the second network's own maximum",
        "code": """
def estimates(q_a, q_b):
    clipped = np.minimum(q_a, q_b).max(axis=1)
    return q_a.max(axis=1), q_b.max(axis=1), clipped
""",
        "hint": "Q_b says what that action is worth",
    },
    {
        "exercise": "estimates",
        "why": "clipped is the smaller of the two maxima",
        "code": """
def estimates(q_a, q_b):
    best = q_a.argmax(axis=1)
    double = q_b[np.arange(len(q_b)), best]
    clipped = np.minimum(q_a.max(axis=1), q_b.max(axis=1))
    return q_a.max(axis=1), double, clipped
""",
        "hint": "for each action first",
    },
    {
        "exercise": "estimates",
        "why": "clipped is double cut off by single",
        "code": """
def estimates(q_a, q_b):
    single, best = q_a.max(axis=1), q_a.argmax(axis=1)
    double = q_b[np.arange(len(q_b)), best]
    return single, double, np.minimum(single, double)
""",
        "hint": "then the largest of these",
    },
    {
        "exercise": "soft_policy",
        "why": "the hard maximum as value",
        "code": soft(value="top"),
        "hint": "neither the hard maximum",
    },
    {
        "exercise": "soft_policy",
        "why": "the mean as value",
        "code": soft(value="(np.exp(log_second) * rewards).sum(1)"),
        "hint": "nor the mean",
    },
    {
        "exercise": "soft_policy",
        "why": "the reference without β",
        "code": soft(factor="1.0"),
        "hint": "must be divided by β again",
    },
    {
        "exercise": "soft_policy",
        "why": "forgets the reference of the first token",
        "code": soft(first="0.0 * log_first"),
        "hint": "the first token's policy must be the reference model too",
    },
    {
        "exercise": "soft_policy",
        "why": "overflows",
        "code": """
def soft_policy(log_first, log_second, rewards, beta):
    q2 = rewards + beta * log_second
    v2 = beta * np.log(np.exp(q2 / beta).sum(1))
    q1 = beta * log_first + v2
    v1 = beta * np.log(np.exp(q1 / beta).sum())
    return np.exp((q1 - v1) / beta), np.exp((q2 - v2[:, None]) / beta)
""",
        "hint": "take the largest Q off",
    },
    {
        "exercise": "words",
        "why": "the longest is always the best",
        "code": """
def words():
    return {"g": 0.01, "goo": 0.1, "goood": 1.0}
""",
        "hint": "instead of",
    },
    {
        "exercise": "words",
        "why": "equal worths: only the shortest is ever spelled",
        "code": """
def words():
    return {"g": 1.0, "go": 1.0, "good": 1.0}
""",
        "hint": "each letter costing a factor γ",
    },
    {
        "exercise": "words",
        "why": "three words that have nothing to do with each other",
        "code": """
def words():
    return {"a": 0.35, "bab": 0.85, "ccabc": 1.0}
""",
        "hint": "beginnings of the longer",
    },
    {
        "exercise": "words",
        "why": "right, but by a hair",
        "code": """
def words():
    return {"g": 0.35, "goo": 0.75, "goood": 1.0}
""",
        "hint": "leads by",
    },
]
