"""Wrong answers to the exercises of notebook 02, and the hint that each must meet."""

WRONG = [
    {
        "exercise": "cross_entropy",
        "why": "takes the logarithm to the base 2, as printed",
        "code": """
def cross_entropy(labels, probabilities, unit="nats"):
    y, q = np.ravel(labels), np.ravel(probabilities)
    return -np.mean(y * np.log2(q) + (1 - y) * np.log2(1 - q))
""",
        "hint": "0.3219 is the logarithm to the base 2",
    },
    {
        "exercise": "cross_entropy",
        "why": "leaves out the second term",
        "code": """
def cross_entropy(labels, probabilities, unit="nats"):
    y, q = np.ravel(labels), np.ravel(probabilities)
    return -np.mean(y * np.log(q)) / (np.log(2) if unit == "bits" else 1)
""",
        "hint": "both terms are needed",
    },
    {
        "exercise": "cross_entropy",
        "why": "sums over the batch",
        "code": """
def cross_entropy(labels, probabilities, unit="nats"):
    y, q = np.ravel(labels), np.ravel(probabilities)
    nats = -np.sum(y * np.log(q) + (1 - y) * np.log(1 - q))
    return nats / np.log(2) if unit == "bits" else nats
""",
        "hint": "a sum grows with the batch",
    },
    {
        "exercise": "cross_entropy",
        "why": "broadcasts (n,) against (n, 1)",
        "code": """
def cross_entropy(labels, probabilities, unit="nats"):
    y, q = np.array(labels), np.array(probabilities)
    nats = -np.mean(y * np.log(q) + (1 - y) * np.log(1 - q))
    return nats / np.log(2) if unit == "bits" else nats
""",
        "hint": "bring both to one shape",
    },
    {
        "exercise": "cross_entropy",
        "why": "rounds labels",
        "code": """
def cross_entropy(labels, probabilities, unit="nats"):
    y, q = np.ravel(labels), np.ravel(probabilities)
    nats = np.mean(np.where(y > 0.5, -np.log(q), -np.log(1 - q)))
    return nats / np.log(2) if unit == "bits" else nats
""",
        "hint": "must not be rounded",
    },
    {
        "exercise": "preference_loss",
        "why": "types the formula in",
        "code": """
def preference_loss(chosen, rejected, margin=0.0, smoothing=0.0):
    ops = keras.ops
    p = 1 / (1 + ops.exp(-(chosen - rejected - margin)))
    loss = -(1 - smoothing) * ops.log(p)
    if smoothing:
        loss = loss - smoothing * ops.log(1 - p)
    return ops.mean(loss)
""",
        "hint": "softplus",
    },
    {
        "exercise": "preference_loss",
        "why": "clips the probability",
        "code": """
def preference_loss(chosen, rejected, margin=0.0, smoothing=0.0):
    ops = keras.ops
    p = ops.clip(ops.sigmoid(chosen - rejected - margin), 1e-7, 1 - 1e-7)
    return ops.mean(-(1 - smoothing) * ops.log(p) - smoothing * ops.log(1 - p))
""",
        "hint": "clipping the probability",
    },
    {
        "exercise": "preference_loss",
        "why": "adds the margin",
        "code": """
def preference_loss(chosen, rejected, margin=0.0, smoothing=0.0):
    ops = keras.ops
    d = chosen - rejected + margin
    loss = (1 - smoothing) * ops.softplus(-d) + smoothing * ops.softplus(d)
    return ops.mean(loss)
""",
        "hint": "taken off the difference",
    },
    {
        "exercise": "preference_loss",
        "why": "goes downhill on the wrong side",
        "code": """
def preference_loss(chosen, rejected, margin=0.0, smoothing=0.0):
    ops = keras.ops
    d = chosen - rejected - margin
    return ops.mean((1 - smoothing) * ops.softplus(d) + smoothing * ops.softplus(-d))
""",
        "hint": "look at the sign of d",
    },
    {
        "exercise": "preference_loss",
        "why": "forgets the other order when it smooths",
        "code": """
def preference_loss(chosen, rejected, margin=0.0, smoothing=0.0):
    ops = keras.ops
    d = chosen - rejected - margin
    return ops.mean((1 - smoothing) * ops.softplus(-d) + smoothing * np.log(2))
""",
        "hint": "shares the loss between both orders",
    },
    {
        "exercise": "huber_answer",
        "why": "gives the median",
        "code": """
def huber_answer(ratings, delta=1.0):
    return np.median(ratings)
""",
        "hint": "2 is the median",
    },
    {
        "exercise": "huber_answer",
        "why": "drops what is far from the median",
        "code": """
def huber_answer(ratings, delta=1.0):
    ratings = np.array(ratings, float)
    near = np.abs(ratings - np.median(ratings)) <= delta
    return ratings[near].mean()
""",
        "hint": "2 is the median",
    },
    {
        "exercise": "huber_answer",
        "why": "searches a coarse grid",
        "code": """
def huber_answer(ratings, delta=1.0):
    y, r = np.array(ratings, float), np.linspace(-4, 4, 161)
    e = np.abs(r[:, None] - y)
    loss = np.where(e <= delta, e**2 / 2, delta * e - delta**2 / 2).mean(1)
    return r[loss.argmin()]
""",
        "hint": "a coarse grid",
    },
    {
        "exercise": "huber_answer",
        "why": "takes one step from the median",
        "code": """
def huber_answer(ratings, delta=1.0):
    y = np.array(ratings, float)
    m = np.median(y)
    inside = np.abs(y - m) <= delta
    return m + np.clip(y - m, -delta, delta).sum() / max(inside.sum(), 1)
""",
        "hint": "clipped to between",
    },
    {
        "exercise": "train",
        "why": "leaves the shapes as they are",
        "code": """
def train(x, y, steps=100, rate=0.1):
    w, losses = tf.Variable(tf.zeros((x.shape[1], 1))), []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ w - y) ** 2)
        w.assign_sub(rate * tape.gradient(loss, w))
        losses.append(float(loss))
    return w.numpy()[:, 0], losses
""",
        "hint": "teaches the mean to everyone",
    },
    {
        "exercise": "train",
        "why": "goes uphill",
        "code": """
def train(x, y, steps=100, rate=0.1):
    w, losses = tf.Variable(tf.zeros((x.shape[1], 1))), []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((tf.matmul(x, w)[:, 0] - y) ** 2)
        w.assign_add(rate * tape.gradient(loss, w))
        losses.append(float(loss))
    return w.numpy()[:, 0], losses
""",
        "hint": "against the slope",
    },
    {
        "exercise": "train",
        "why": "does not reduce the loss",
        "code": """
def train(x, y, steps=100, rate=0.1):
    w, losses = tf.Variable(tf.zeros((x.shape[1], 1))), []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = (tf.matmul(x, w)[:, 0] - y) ** 2
        w.assign_sub(rate / len(x) * tape.gradient(loss, w))
        losses.append(loss)
    return w.numpy()[:, 0], losses
""",
        "hint": "each loss must be one number",
    },
    {
        "exercise": "train",
        "why": "sums over the batch",
        "code": """
def train(x, y, steps=100, rate=0.1):
    w, losses = tf.Variable(tf.zeros((x.shape[1], 1))), []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((tf.matmul(x, w)[:, 0] - y) ** 2)
        w.assign_sub(rate * tape.gradient(loss, w))
        losses.append(float(loss))
    return w.numpy()[:, 0], losses
""",
        "hint": "averaged, not summed",
    },
    {
        "exercise": "train",
        "why": "loses the factor 2 of the slope",
        "code": """
def train(x, y, steps=100, rate=0.1):
    w, losses = np.zeros(x.shape[1]), []
    for _ in range(steps):
        error = x @ w - y
        losses.append(np.mean(error**2))
        w = w - rate * x.T @ error / len(x)
    return w, losses
""",
        "hint": "differ from gradient descent",
    },
    {
        "exercise": "exploit",
        "why": "turns the words round",
        "code": """
def exploit(reference):
    return reference[::-1]
""",
        "hint": "keep long runs together",
    },
    {
        "exercise": "exploit",
        "why": "drops the first word",
        "code": """
def exploit(reference):
    return reference[1:]
""",
        "hint": "exactly once",
    },
    {
        "exercise": "exploit",
        "why": "moves the end alone",
        "code": """
def exploit(reference):
    return reference[:-2] + reference[:-3:-1]
""",
        "hint": "no place may agree",
    },
]
