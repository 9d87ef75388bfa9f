"""Wrong answers to the exercises of notebook 04, and the hint that each must meet."""

WRONG = [
    {
        "exercise": "one_against_rest",
        "why": "leaves the picked rater in the mean",
        "code": """
def one_against_rest(ratings, picks):
    ratings = np.array(ratings, float)
    one = ratings[np.arange(len(ratings)), picks]
    return np.corrcoef(one, ratings.mean(axis=1))[0, 1]
""",
        "hint": "agrees with themselves",
    },
    {
        "exercise": "one_against_rest",
        "why": "picks the first rater always",
        "code": """
def one_against_rest(ratings, picks):
    ratings = np.array(ratings, float)
    return np.corrcoef(ratings[:, 0], ratings[:, 1:].mean(axis=1))[0, 1]
""",
        "hint": "is another rater picked in each row",
    },
    {
        "exercise": "lstm_step",
        "why": "takes the order i, f, o, g",
        "code": """
def lstm_step(x, real, h, c, kernel, recurrent, bias):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    i, f, o, g = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    new_h = sigmoid(o) * np.tanh(new_c)
    real = real[:, None]
    return np.where(real, new_h, h), np.where(real, new_c, c)
""",
        "hint": "check the order i, f, g, o",
    },
    {
        "exercise": "lstm_step",
        "why": "shows the state without tanh",
        "code": """
def lstm_step(x, real, h, c, kernel, recurrent, bias):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    new_c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    new_h = sigmoid(o) * new_c
    real = real[:, None]
    return np.where(real, new_h, h), np.where(real, new_c, c)
""",
        "hint": "times the tanh of the new state",
    },
    {
        "exercise": "lstm_step",
        "why": "reads the padding",
        "code": """
def lstm_step(x, real, h, c, kernel, recurrent, bias):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c
""",
        "hint": "at padding nothing may change",
    },
    {
        "exercise": "lstm_step",
        "why": "sets the state to zero at padding",
        "code": """
def lstm_step(x, real, h, c, kernel, recurrent, bias):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    c = (sigmoid(f) * c + sigmoid(i) * np.tanh(g)) * real[:, None]
    return sigmoid(o) * np.tanh(c), c
""",
        "hint": "at padding nothing may change",
    },
    {
        "exercise": "hide_tokens",
        "why": "hides padding too",
        "code": """
def hide_tokens(ids, rate, rng, stand_in=1):
    return np.where(rng.random(ids.shape) < rate, stand_in, ids)
""",
        "hint": "padding must stay 0",
    },
    {
        "exercise": "hide_tokens",
        "why": "writes into what came in",
        "code": """
def hide_tokens(ids, rate, rng, stand_in=1):
    ids[(rng.random(ids.shape) < rate) & (ids != 0)] = stand_in
    return ids
""",
        "hint": "at a rate of 0 nothing is hidden",
    },
    {
        "exercise": "hide_tokens",
        "why": "hides the same places in every text",
        "code": """
def hide_tokens(ids, rate, rng, stand_in=1):
    hidden = rng.random(ids.shape[1]) < rate
    return np.where(hidden & (ids != 0), stand_in, ids)
""",
        "hint": "the same places are hidden",
    },
    {
        "exercise": "hide_tokens",
        "why": "hides whole texts",
        "code": """
def hide_tokens(ids, rate, rng, stand_in=1):
    hidden = rng.permutation(len(ids))[:, None] < rate * len(ids)
    return np.where(hidden & (ids != 0), stand_in, ids)
""",
        "hint": "too little or too much",
    },
    {
        "exercise": "mean_max",
        "why": "pools over padding too",
        "code": """
def mean_max(h, mask):
    ops = keras.ops
    return ops.concatenate([ops.mean(h, axis=1), ops.max(h, axis=1)], axis=-1)
""",
        "hint": "padding is in neither the sum nor the count",
    },
    {
        "exercise": "mean_max",
        "why": "sets padding to zero before the maximum",
        "code": """
def mean_max(h, mask):
    ops = keras.ops
    real = ops.cast(mask, h.dtype)[:, :, None]
    mean = ops.sum(h * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1)
    return ops.concatenate([mean, ops.max(h * real, axis=1)], axis=-1)
""",
        "hint": "0 does not lose against negative ones",
    },
    {
        "exercise": "mean_max",
        "why": "divides by the padded length",
        "code": """
def mean_max(h, mask):
    ops = keras.ops
    real = ops.cast(mask, h.dtype)[:, :, None]
    top = ops.max(ops.where(real > 0, h, -1e9), axis=1)
    return ops.concatenate([ops.mean(h * real, axis=1), top], axis=-1)
""",
        "hint": "in neither the sum nor the count",
    },
    {
        "exercise": "mean_max",
        "why": "divides by zero where nothing is real",
        "code": """
def mean_max(h, mask):
    ops = keras.ops
    real = ops.cast(mask, h.dtype)[:, :, None]
    mean = ops.sum(h * real, axis=1) / ops.sum(real, axis=1)
    top = ops.max(ops.where(real > 0, h, -1e9), axis=1)
    return ops.concatenate([mean, top], axis=-1)
""",
        "hint": "a text with no real token gives zeros",
    },
    {
        "exercise": "fit_reward",
        "why": "knows the texts by heart",
        "code": """
def fit_reward(texts, ratings):
    known = dict(zip(texts, ratings))
    middle = float(np.mean(ratings))
    return lambda new: np.array([known.get(t, middle) for t in new])
""",
        "hint": "by heart",
    },
    {
        "exercise": "fit_reward",
        "why": "rewards length",
        "code": """
def fit_reward(texts, ratings):
    def features(some):
        return np.array([[len(t), t.count("!"), 1.0] for t in some])

    weights = np.linalg.lstsq(features(texts), ratings, rcond=None)[0]
    return lambda new: features(new) @ weights
""",
        "hint": "the words matter more",
    },
    {
        "exercise": "fit_reward",
        "why": "centres scores over the batch",
        "code": """
def fit_reward(texts, ratings):
    from rmkeras.evaluate.baselines import tfidf_ridge

    def score(new):
        found = np.array(tfidf_ridge(list(texts), np.array(ratings), list(new)))
        return found - found.mean()

    return score
""",
        "hint": "what else is in the batch",
    },
]
