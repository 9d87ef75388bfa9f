"""Wrong answers to the exercises of notebook 07, and the hints that they must meet."""

LORA = """
class LoRA(keras.layers.Layer):
    def __init__(self, kernel, bias, rank):
        super().__init__()
        d, k = kernel.shape
        self.kernel = self.add_weight(shape=(d, k), trainable={trainable}, name="w")
        self.kernel.assign(kernel)
        self.bias = self.add_weight(shape=(k,), trainable={trainable}, name="bias")
        self.bias.assign(bias)
        self.a = self.add_weight(shape=(d, rank), initializer="{a}", name="a")
        self.b = self.add_weight(shape=(rank, k), initializer="{b}", name="b")
        self.merged = ops.convert_to_tensor(self.kernel + self.a @ self.b)

    def call(self, x):
        return x @ self.kernel + (x @ self.a) @ self.b + self.bias

    def merged_kernel(self):
        return {merged}
"""


def lora(trainable=False, a="glorot_uniform", b="zeros", merged=None):
    """A LoRA layer with one thing wrong."""
    merged = merged or "self.kernel + self.a @ self.b"
    return LORA.format(trainable=trainable, a=a, b=b, merged=merged)


TRAIN_TOP = """
def train_top(model, blocks, learning_rate):
    encoder = model.encoder
    parts = [encoder.words, encoder.positions, encoder.segments, encoder.norm]
    first = len(encoder.blocks) - blocks
{body}
"""
COMPILE = """
    optimizer = keras.optimizers.Adam(learning_rate)
    model.compile(optimizer=optimizer, loss="mse", jit_compile=False)
"""

WRONG = [
    {
        "exercise": "masked_mean",
        "why": "forgets the mask",
        "code": """
def masked_mean(h, mask):
    return ops.mean(h, axis=1)
""",
        "hint": "padding is in the mean",
    },
    {
        "exercise": "masked_mean",
        "why": "zeros at padding, but still the mean over all places",
        "code": """
def masked_mean(h, mask):
    return ops.mean(h * ops.cast(mask, h.dtype)[:, :, None], axis=1)
""",
        "hint": "not places in the row",
    },
    {
        "exercise": "masked_mean",
        "why": "divides by the tokens of the whole batch",
        "code": """
def masked_mean(h, mask):
    mask = ops.cast(mask, h.dtype)
    return ops.sum(h * mask[:, :, None], axis=1) / ops.sum(mask)
""",
        "hint": "its own number of tokens",
    },
    {
        "exercise": "masked_mean",
        "why": "takes the first n places, wherever the tokens are",
        "code": """
def masked_mean(h, mask):
    n = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
    first = ops.cast(ops.arange(h.shape[1])[None] < n, h.dtype)[:, :, None]
    return ops.sum(h * first, axis=1) / ops.maximum(ops.cast(n, h.dtype), 1)
""",
        "hint": "where the real tokens are",
    },
    {
        "exercise": "masked_mean",
        "why": "divides by zero where there is no token",
        "code": """
def masked_mean(h, mask):
    mask = ops.cast(mask, h.dtype)[:, :, None]
    return ops.sum(h * mask, axis=1) / ops.sum(mask, axis=1)
""",
        "hint": "divided by zero",
    },
    {
        "exercise": "positions",
        "why": "counts places from the left edge",
        "code": """
def positions(ids):
    return np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
""",
        "hint": "not places in the row",
    },
    {
        "exercise": "positions",
        "why": "counts the token itself too",
        "code": """
def positions(ids):
    return np.cumsum(np.not_equal(ids, 0), axis=1)
""",
        "hint": "count from 0",
    },
    {
        "exercise": "positions",
        "why": "−1 at padding on the left",
        "code": """
def positions(ids):
    return np.cumsum(np.not_equal(ids, 0), axis=1) - 1
""",
        "hint": "negative position",
    },
    {
        "exercise": "positions",
        "why": "counts on through the padding after the text",
        "code": """
def positions(ids):
    real = np.not_equal(ids, 0)
    first = np.argmax(real, axis=1)[:, None]
    return np.maximum(np.arange(ids.shape[1])[None] - first, 0)
""",
        "hint": "counts on",
    },
    {
        "exercise": "lora",
        "why": "both matrices start at random",
        "code": lora(b="glorot_uniform"),
        "hint": "not zero at the start",
    },
    {
        "exercise": "lora",
        "why": "both matrices start at zero",
        "code": lora(a="zeros"),
        "hint": "each waits for the other",
    },
    {
        "exercise": "lora",
        "why": "the big matrix trains as well",
        "code": lora(trainable=True),
        "hint": "W or b is trainable",
    },
    {
        "exercise": "lora",
        "why": "merges once, when the layer is made",
        "code": lora(merged="self.merged"),
        "hint": "as they are now",
    },
    {
        "exercise": "lora",
        "why": "the correction alone, without W",
        "code": lora(merged="self.a @ self.b"),
        "hint": "needs W and A B together",
    },
    {
        "exercise": "train_top",
        "why": "freezes without compiling again",
        "code": TRAIN_TOP.format(
            body="    for layer in [*parts, *encoder.blocks[:first]]:\n"
            "        layer.trainable = False\n"
        ),
        "hint": "compiled again",
    },
    {
        "exercise": "train_top",
        "why": "freezes the model, then frees its parts",
        "code": TRAIN_TOP.format(
            body="    model.trainable = False\n"
            "    for layer in [model.head, *encoder.blocks[first:]]:\n"
            "        layer.trainable = True\n" + COMPILE
        ),
        "hint": "frozen as a whole",
    },
    {
        "exercise": "train_top",
        "why": "freezes the head with the rest",
        "code": TRAIN_TOP.format(
            body="    for layer in [model.head, *parts, *encoder.blocks[:first]]:\n"
            "        layer.trainable = False\n" + COMPILE
        ),
        "hint": "the head has not moved",
    },
    {
        "exercise": "train_top",
        "why": "the first blocks instead of the last",
        "code": TRAIN_TOP.format(
            body="    for layer in [*parts, *encoder.blocks[blocks:]]:\n"
            "        layer.trainable = False\n" + COMPILE
        ),
        "hint": "which end of the list",
    },
    {
        "exercise": "train_top",
        "why": "forgets the embeddings",
        "code": TRAIN_TOP.format(
            body="    for layer in encoder.blocks[:first]:\n"
            "        layer.trainable = False\n" + COMPILE
        ),
        "hint": "too much has moved",
    },
    {
        "exercise": "train_top",
        "why": "a slice from −0 frees every block",
        "code": TRAIN_TOP.format(
            body="    for layer in [*parts, *encoder.blocks]:\n"
            "        layer.trainable = False\n"
            "    for layer in encoder.blocks[-blocks:]:\n"
            "        layer.trainable = True\n" + COMPILE
        ),
        "hint": "slice from −0",
    },
    {
        "exercise": "make_batches",
        "why": "random batches",
        "code": """
def make_batches(lengths, batch_size, seed):
    order = np.random.default_rng(seed).permutation(len(lengths))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
""",
        "hint": "too much filler",
    },
    {
        "exercise": "make_batches",
        "why": "sorted, and only the batches shuffled",
        "code": """
def make_batches(lengths, batch_size, seed):
    order = np.argsort(lengths, kind="stable")
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return [batches[i] for i in np.random.default_rng(seed).permutation(len(batches))]
""",
        "hint": "the same texts always meet",
    },
    {
        "exercise": "make_batches",
        "why": "blurred lengths, but from short to long",
        "code": """
def make_batches(lengths, batch_size, seed):
    random = np.random.default_rng(seed)
    order = np.argsort(lengths + random.uniform(0, 3, len(lengths)))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
""",
        "hint": "from short to long",
    },
    {
        "exercise": "make_batches",
        "why": "drops the last texts",
        "code": """
def make_batches(lengths, batch_size, seed):
    random = np.random.default_rng(seed)
    order = np.argsort(lengths + random.uniform(0, 3, len(lengths)))
    count = len(order) // batch_size
    batches = order[: count * batch_size].reshape(count, batch_size)
    return list(random.permutation(batches))
""",
        "hint": "left over at the end",
    },
]
