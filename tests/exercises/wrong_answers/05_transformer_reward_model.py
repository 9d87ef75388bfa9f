"""Wrong answers to the exercises of notebook 05, and the hint that each must meet."""

HEAD = """
class RewardHead(keras.layers.Layer):
    def __init__(self, mean=0.0, spread=1.0, **kwargs):
        super().__init__(**kwargs)
        self.mean, self.spread = mean, spread

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], 1))
        self.b = self.add_weight(shape=(1,), initializer="ones")

    def call(self, h, mask=None):
        ops = keras.ops
        if mask is None:
            mask = ops.ones(h.shape[:2], bool)
        real = ops.cast(mask, h.dtype)[:, :, None]
        pooled = ops.sum(h * real, axis=1) / ops.sum(real, axis=1)
        return self.mean + self.spread * (ops.matmul(pooled, self.w) + self.b)

    def get_config(self):
        config = super().get_config()
        return {**config, "mean": self.mean, "spread": self.spread}
"""


def head(old, new):
    """Returns the layer with one part replaced by a wrong one."""
    assert old in HEAD, old
    return HEAD.replace(old, new)


WRONG = [
    {
        "exercise": "last_token",
        "why": "takes the last place",
        "code": """
def last_token(h, mask):
    return h[:, -1]
""",
        "hint": "place -1 is padding",
    },
    {
        "exercise": "last_token",
        "why": "takes the number of real tokens for the place",
        "code": """
def last_token(h, mask):
    last = np.sum(mask, axis=1) - 1
    return h[np.arange(len(h)), last]
""",
        "hint": "is not the place of the last one",
    },
    {
        "exercise": "RewardHead",
        "why": "has no configuration of its own",
        "code": head('{**config, "mean": self.mean, "spread": self.spread}', "config"),
        "hint": "get_config has to name",
    },
    {
        "exercise": "RewardHead",
        "why": "forgets the spread in its configuration",
        "code": head(', "spread": self.spread}', "}"),
        "hint": "is the spread in",
    },
    {
        "exercise": "RewardHead",
        "why": "pools over padding",
        "code": head(
            "ops.sum(h * real, axis=1) / ops.sum(real, axis=1)", "h.mean(1)"
        ).replace("h.mean(1)", "ops.mean(h, axis=1)"),
        "hint": "changes with the padding",
    },
    {
        "exercise": "RewardHead",
        "why": "scales the product alone",
        "code": head(
            "self.spread * (ops.matmul(pooled, self.w) + self.b)",
            "self.spread * ops.matmul(pooled, self.w) + self.b",
        ),
        "hint": "both parts are scaled",
    },
    {
        "exercise": "RewardHead",
        "why": "trains the mean",
        "code": head(
            'initializer="ones")',
            'initializer="ones")\n'
            "        self.mean = self.add_weight(shape=(), initializer="
            "keras.initializers.Constant(self.mean))",
        ),
        "hint": "are constants",
    },
    {
        "exercise": "scores",
        "why": "swaps precision and recall",
        "code": """
def scores(labels, probabilities, threshold=0.5):
    said = probabilities > threshold
    hits = np.sum(said & (labels == 1))
    recall, precision = hits / max(said.sum(), 1), hits / max(labels.sum(), 1)
    f1 = 2 * hits / max(said.sum() + labels.sum(), 1)
    return {
        "accuracy": np.mean(said == labels),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
""",
        "hint": "are the two swapped",
    },
    {
        "exercise": "scores",
        "why": "averages precision and recall",
        "code": """
def scores(labels, probabilities, threshold=0.5):
    said = probabilities > threshold
    hits = np.sum(said & (labels == 1))
    precision, recall = hits / max(said.sum(), 1), hits / max(labels.sum(), 1)
    return {
        "accuracy": np.mean(said == labels),
        "precision": precision,
        "recall": recall,
        "f1": (precision + recall) / 2,
    }
""",
        "hint": "harmonic mean",
    },
    {
        "exercise": "scores",
        "why": "divides by zero",
        "code": """
def scores(labels, probabilities, threshold=0.5):
    said = probabilities > threshold
    hits = np.sum(said & (labels == 1))
    precision, recall = hits / said.sum(), hits / labels.sum()
    return {
        "accuracy": np.mean(said == labels),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
    }
""",
        "hint": "0/0 counts as 0",
    },
    {
        "exercise": "scores",
        "why": "rounds in place of the threshold",
        "code": """
def scores(labels, probabilities, threshold=0.5):
    said = np.round(probabilities) == 1
    hits = np.sum(said & (labels == 1))
    precision, recall = hits / max(said.sum(), 1), hits / max(labels.sum(), 1)
    return {
        "accuracy": np.mean(said == labels),
        "precision": precision,
        "recall": recall,
        "f1": 2 * hits / max(said.sum() + labels.sum(), 1),
    }
""",
        "hint": "is the threshold used",
    },
    {
        "exercise": "move_embeddings",
        "why": "copies rows by id",
        "code": """
def move_embeddings(table, old, new, fresh):
    moved = fresh.copy()
    n = min(len(table), len(fresh))
    moved[:n] = table[:n]
    return moved
""",
        "hint": "by token, not by id",
    },
    {
        "exercise": "move_embeddings",
        "why": "leaves unknown tokens at zero",
        "code": """
def move_embeddings(table, old, new, fresh):
    moved = np.zeros_like(fresh)
    for token, row in new.items():
        if token in old:
            moved[row] = table[old[token]]
    return moved
""",
        "hint": "keeps its fresh row",
    },
    {
        "exercise": "move_embeddings",
        "why": "writes into the fresh table",
        "code": """
def move_embeddings(table, old, new, fresh):
    for token, row in new.items():
        if token in old:
            fresh[row] = table[old[token]]
    return fresh
""",
        "hint": "has changed: copy it",
    },
    {
        "exercise": "move_embeddings",
        "why": "has the two dictionaries the wrong way round",
        "code": """
def move_embeddings(table, old, new, fresh):
    moved = fresh.copy()
    for token in old.keys() & new.keys():
        moved[old[token]] = table[min(new[token], len(table) - 1)]
    return moved
""",
        "hint": "write at the row that the new one",
    },
    {
        "exercise": "mislead",
        "why": "gives every token the value 2",
        "code": """
def mislead(weights):
    return np.full(len(weights), 2.0)
""",
        "hint": "still hangs on the token with the largest weight",
    },
    {
        "exercise": "mislead",
        "why": "forgets that the weight is small",
        "code": """
def mislead(weights):
    return 2.0 * (weights == weights.min())
""",
        "hint": "weight times value",
    },
    {
        "exercise": "mislead",
        "why": "silences the largest weight alone",
        "code": """
def mislead(weights):
    values = 2 / weights
    values[weights.argmax()] = 0
    return values
""",
        "hint": "other tokens should not matter",
    },
]
