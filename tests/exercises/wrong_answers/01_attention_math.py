"""Wrong answers to the exercises of notebook 01, and the hint that each must meet."""

WRONG = [
    {
        "exercise": "tempered_attention",
        "why": "normalises over the queries",
        "code": """
def tempered_attention(q, k, v, temperature=1.0):
    logits = q @ k.T / (temperature * np.sqrt(q.shape[-1]))
    weights = np.exp(logits - logits.max(axis=0))
    weights = weights / weights.sum(axis=0)
    return weights @ v, weights
""",
        "hint": "normalise over the keys",
    },
    {
        "exercise": "tempered_attention",
        "why": "leaves the width out",
        "code": """
def tempered_attention(q, k, v, temperature=1.0):
    logits = q @ k.T / temperature
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ v, weights
""",
        "hint": "square root of d",
    },
    {
        "exercise": "tempered_attention",
        "why": "multiplies by the temperature",
        "code": """
def tempered_attention(q, k, v, temperature=1.0):
    logits = temperature * q @ k.T / np.sqrt(q.shape[-1])
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ v, weights
""",
        "hint": "temperature divides",
    },
    {
        "exercise": "tempered_attention",
        "why": "takes exp of large numbers",
        "code": """
def tempered_attention(q, k, v, temperature=1.0):
    weights = np.exp(q @ k.T / (temperature * np.sqrt(q.shape[-1])))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ v, weights
""",
        "hint": "large logits overflow",
    },
    {
        "exercise": "softmax_backward",
        "why": "keeps the diagonal of the Jacobian alone",
        "code": """
def softmax_backward(p, g):
    return p * (1 - p) * g
""",
        "hint": "influence each other",
    },
    {
        "exercise": "softmax_backward",
        "why": "sums over the queries",
        "code": """
def softmax_backward(p, g):
    return p * (g - (p * g).sum(axis=0) / p.sum(axis=0))
""",
        "hint": "work the sum over i out by hand",
    },
    {
        "exercise": "softmax_backward",
        "why": "subtracts the plain mean",
        "code": """
def softmax_backward(p, g):
    return p * (g - g.mean(axis=-1, keepdims=True))
""",
        "hint": "work the sum over i out by hand",
    },
    {
        "exercise": "masked_attention",
        "why": "turns the triangle round",
        "code": """
def masked_attention(q, k, v, real):
    ops = keras.ops
    logits = ops.matmul(q, ops.transpose(k, (0, 2, 1))) / q.shape[2] ** 0.5
    places = ops.arange(q.shape[1])
    seen = ops.logical_and(places[:, None] <= places[None], real[:, None, :])
    weights = ops.softmax(ops.where(seen, logits, -1e9), axis=-1)
    return ops.matmul(weights, v), weights
""",
        "hint": "must not see later ones",
    },
    {
        "exercise": "masked_attention",
        "why": "masks the queries that are padding",
        "code": """
def masked_attention(q, k, v, real):
    ops = keras.ops
    logits = ops.matmul(q, ops.transpose(k, (0, 2, 1))) / q.shape[2] ** 0.5
    places = ops.arange(q.shape[1])
    seen = ops.logical_and(places[:, None] >= places[None], real[:, :, None])
    logits = ops.where(places[:, None] >= places[None], logits, -1e9)
    weights = ops.softmax(ops.where(seen, logits, -1e9), axis=-1)
    return ops.matmul(weights, v), weights
""",
        "hint": "belongs to the keys",
    },
    {
        "exercise": "masked_attention",
        "why": "masks after the softmax",
        "code": """
def masked_attention(q, k, v, real):
    ops = keras.ops
    logits = ops.matmul(q, ops.transpose(k, (0, 2, 1))) / q.shape[2] ** 0.5
    places = ops.arange(q.shape[1])
    seen = ops.logical_and(places[:, None] >= places[None], real[:, None, :])
    weights = ops.softmax(logits, axis=-1) * ops.cast(seen, "float32")
    return ops.matmul(weights, v), weights
""",
        "hint": "before the softmax",
    },
    {
        "exercise": "masked_attention",
        "why": "uses minus infinity",
        "code": """
def masked_attention(q, k, v, real):
    ops = keras.ops
    logits = ops.matmul(q, ops.transpose(k, (0, 2, 1))) / q.shape[2] ** 0.5
    places = ops.arange(q.shape[1])
    seen = ops.logical_and(places[:, None] >= places[None], real[:, None, :])
    weights = ops.softmax(ops.where(seen, logits, -np.inf), axis=-1)
    return ops.matmul(weights, v), weights
""",
        "hint": "large negative number",
    },
    {
        "exercise": "heads",
        "why": "reshapes alone, as printed",
        "code": """
def split_heads(x, num_heads):
    ops = keras.ops
    batch, length, width = x.shape
    return ops.reshape(x, (batch, num_heads, length, width // num_heads))


def merge_heads(x):
    ops = keras.ops
    batch, num_heads, length, size = x.shape
    return ops.reshape(x, (batch, length, num_heads * size))
""",
        "hint": "reshape alone",
    },
    {
        "exercise": "heads",
        "why": "merges without bringing the length back",
        "code": """
def split_heads(x, num_heads):
    ops = keras.ops
    batch, length, width = x.shape
    x = ops.reshape(x, (batch, length, num_heads, width // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))


def merge_heads(x):
    ops = keras.ops
    batch, num_heads, length, size = x.shape
    return ops.reshape(x, (batch, length, num_heads * size))
""",
        "hint": "merging must undo splitting",
    },
    {
        "exercise": "heads",
        "why": "deals the channels out one by one",
        "code": """
def split_heads(x, num_heads):
    ops = keras.ops
    batch, length, width = x.shape
    x = ops.reshape(x, (batch, length, width // num_heads, num_heads))
    return ops.transpose(x, (0, 3, 1, 2))


def merge_heads(x):
    ops = keras.ops
    batch, num_heads, length, size = x.shape
    x = ops.transpose(x, (0, 2, 3, 1))
    return ops.reshape(x, (batch, length, num_heads * size))
""",
        "hint": "first half of every token's vector",
    },
    {
        "exercise": "previous_token",
        "why": "looks at the token itself",
        "code": """
def previous_token(length, width, limit=8.0):
    keys = limit * np.eye(length, width)
    return keys, keys
""",
        "hint": "not at t - 1",
    },
    {
        "exercise": "previous_token",
        "why": "uses unit vectors",
        "code": """
def previous_token(length, width, limit=8.0):
    keys = np.eye(length, width)
    return np.concatenate([keys[:1], keys[:-1]]), keys
""",
        "hint": "difference of two logits",
    },
    {
        "exercise": "previous_token",
        "why": "uses long random vectors",
        "code": """
def previous_token(length, width, limit=8.0):
    keys = 20 * np.random.default_rng(0).normal(size=(length, width))
    return np.concatenate([keys[:1], keys[:-1]]), keys
""",
        "hint": "the limit is 8",
    },
]
