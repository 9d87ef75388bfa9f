"""Wrong answers to the exercises of notebook 08, and the hints that they must meet."""

COUNT = """
def count_model(rows, vocabulary_size):
    counts = np.zeros((vocabulary_size, vocabulary_size))
    for row in rows:
        np.add.at(counts, (row[:-1], row[1:]), 1)
    seen = counts.sum(axis=1, keepdims=True)
    single = (counts.sum(axis=0) + 1) / (counts.sum() + vocabulary_size)
{body}
"""

DRAWN = """
def drawn_from(logits, temperature, top_p):
    def softmax(z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    q = softmax({first})
    order = np.argsort(-q, axis=1)
    ranked = np.take_along_axis(q, order, axis=1)
    sums = np.cumsum(ranked, axis=1)
    inside = np.zeros(q.shape, bool)
    np.put_along_axis(inside, order, {rule}, axis=1)
    inside[np.arange(len(q)), order[:, 0]] = True
    q = np.where(inside, softmax({then}), 0)
    q = q / {norm}
    return np.log(q, out=np.full(q.shape, -np.inf), where=q > 0)
"""


def drawn(
    first="logits / temperature",
    rule="sums - ranked < top_p",
    then="logits / temperature",
    norm="q.sum(axis=1, keepdims=True)",
):
    """A sampler's distribution with one thing wrong."""
    return DRAWN.format(first=first, rule=rule, then=then, norm=norm)


WRONG = [
    {
        "exercise": "perplexity",
        "why": "the mean of the texts' perplexities",
        "code": """
def perplexity(log_probs, mask):
    means = (log_probs * mask).sum(1) / mask.sum(1)
    return np.mean(np.exp(-means))
""",
        "hint": "each weighs the same",
    },
    {
        "exercise": "perplexity",
        "why": "the mean of the texts' mean log-probabilities",
        "code": """
def perplexity(log_probs, mask):
    return np.exp(-np.mean((log_probs * mask).sum(1) / mask.sum(1)))
""",
        "hint": "do not average",
    },
    {
        "exercise": "perplexity",
        "why": "padding is in the mean",
        "code": """
def perplexity(log_probs, mask):
    return np.exp(-np.mean(log_probs * mask))
""",
        "hint": "neither in the sum nor in T",
    },
    {
        "exercise": "perplexity",
        "why": "2 to the power of a natural logarithm",
        "code": """
def perplexity(log_probs, mask):
    return 2 ** (-(log_probs * mask).sum() / mask.sum())
""",
        "hint": "need e as the base",
    },
    {
        "exercise": "perplexity",
        "why": "multiplies −∞ by 0",
        "code": """
def perplexity(log_probs, mask):
    return np.exp(-(log_probs * mask).sum() / mask.sum())
""",
        "hint": "0 · ∞ is not",
    },
    {
        "exercise": "sft_row",
        "why": "targets stand under the tokens themselves",
        "code": """
def sft_row(prompt, completion, max_length):
    inputs = ([1] + prompt + completion)[-max_length:]
    return inputs, [0] * (1 + len(prompt)) + completion
""",
        "hint": "learns to copy",
    },
    {
        "exercise": "sft_row",
        "why": "the mask is one place too long: start counts as a prediction",
        "code": """
def sft_row(prompt, completion, max_length):
    row = [1] + prompt + completion + [1]
    targets = row[1:]
    for i in range(1 + len(prompt)):
        targets[i] = 0
    return row[:-1], targets
""",
        "hint": "one place too long",
    },
    {
        "exercise": "sft_row",
        "why": "the end is never learned",
        "code": """
def sft_row(prompt, completion, max_length):
    row = [1] + prompt + completion
    return row, [0] * len(prompt) + completion + [0]
""",
        "hint": "learn to stop",
    },
    {
        "exercise": "sft_row",
        "why": "learns the prompt as well",
        "code": """
def sft_row(prompt, completion, max_length):
    row = [1] + prompt + completion + [1]
    return row[:-1], row[1:]
""",
        "hint": "belongs to the prompt",
    },
    {
        "exercise": "sft_row",
        "why": "cuts the end of the row",
        "code": """
def sft_row(prompt, completion, max_length):
    row = [1] + prompt + completion + [1]
    targets = [0] * len(prompt) + completion + [1]
    return row[:-1][:max_length], targets[:max_length]
""",
        "hint": "has lost its end",
    },
    {
        "exercise": "sft_row",
        "why": "cuts the start away with the prompt's beginning",
        "code": """
def sft_row(prompt, completion, max_length):
    row = [1] + prompt + completion + [1]
    targets = [0] * len(prompt) + completion + [1]
    return row[:-1][-max_length:], targets[-max_length:]
""",
        "hint": "the start must stay",
    },
    {
        "exercise": "share_row",
        "why": "texts are kept apart, but see the future",
        "code": """
def share_row(segments):
    allowed = segments[:, :, None] == segments[:, None, :]
    allowed = allowed & (segments > 0)[:, None, :]
    return allowed, np.maximum(np.tril(allowed).sum(2) - 1, 0)
""",
        "hint": "not causal",
    },
    {
        "exercise": "share_row",
        "why": "query and key have changed places",
        "code": """
def share_row(segments):
    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]
    past = np.triu(np.ones((length, length), bool))
    allowed = same & past & (segments > 0)[:, None, :]
    return allowed, np.maximum(allowed.sum(1) - 1, 0)
""",
        "hint": "changed places",
    },
    {
        "exercise": "share_row",
        "why": "the plain causal mask: a stranger's ending is seen",
        "code": """
def share_row(segments):
    length = segments.shape[1]
    past = np.tril(np.ones((length, length), bool))
    allowed = past & (segments > 0)[:, None, :] & (segments > 0)[:, :, None]
    same = segments[:, :, None] == segments[:, None, :]
    return allowed, np.maximum((allowed & same).sum(2) - 1, 0)
""",
        "hint": "sees the first",
    },
    {
        "exercise": "share_row",
        "why": "padding is a text of its own",
        "code": """
def share_row(segments):
    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]
    allowed = same & np.tril(np.ones((length, length), bool))
    return allowed, allowed.sum(2) - 1
""",
        "hint": "it is no text",
    },
    {
        "exercise": "share_row",
        "why": "positions run through the row",
        "code": """
def share_row(segments):
    length = segments.shape[1]
    same = segments[:, :, None] == segments[:, None, :]
    past = np.tril(np.ones((length, length), bool))
    allowed = same & past & (segments > 0)[:, None, :]
    return allowed, np.arange(length)[None] * (segments > 0)
""",
        "hint": "start anew",
    },
    {
        "exercise": "drawn_from",
        "why": "leaves out the token that crosses the bound",
        "code": drawn(rule="sums <= top_p"),
        "hint": "crosses the bound",
    },
    {
        "exercise": "drawn_from",
        "why": "does not renormalise",
        "code": drawn(norm="1.0"),
        "hint": "do not add up to 1",
    },
    {
        "exercise": "drawn_from",
        "why": "multiplies by the temperature",
        "code": drawn(first="logits * temperature", then="logits * temperature"),
        "hint": "divide the logits by T",
    },
    {
        "exercise": "drawn_from",
        "why": "the nucleus of the model, the temperature afterwards",
        "code": drawn(first="logits"),
        "hint": "after the temperature",
    },
    {
        "exercise": "drawn_from",
        "why": "forgets to undo the sorting",
        "code": """
def drawn_from(logits, temperature, top_p):
    z = np.sort(logits / temperature, axis=1)[:, ::-1]
    q = np.exp(z - z.max(axis=1, keepdims=True))
    q = q / q.sum(axis=1, keepdims=True)
    q = np.where(np.cumsum(q, axis=1) - q < top_p, q, 0)
    q = q / q.sum(axis=1, keepdims=True)
    return np.log(q, out=np.full(q.shape, -np.inf), where=q > 0)
""",
        "hint": "undo the sorting",
    },
    {
        "exercise": "count_model",
        "why": "raw counts",
        "code": COUNT.format(
            body="    return np.where(seen > 0, counts / seen, single)"
        ),
        "hint": "never seen",
    },
    {
        "exercise": "count_model",
        "why": "divides by a context that never came",
        "code": COUNT.format(body="    return 0.7 * counts / seen + 0.3 * single"),
        "hint": "c(h) is 0",
    },
    {
        "exercise": "count_model",
        "why": "adds one to every count",
        "code": COUNT.format(
            body="    return (counts + 1) / (seen + vocabulary_size)",
        ),
        "hint": "adding one to every count",
    },
    {
        "exercise": "count_model",
        "why": "takes a discount off and gives too little back",
        "code": COUNT.format(
            body="    kept = np.maximum(counts - 0.7, 0) / np.maximum(seen, 1)\n"
            "    return kept + 0.3 * single"
        ),
        "hint": "must be given to the shorter context",
    },
    {
        "exercise": "count_model",
        "why": "single tokens only",
        "code": COUNT.format(body="    return np.tile(single, (vocabulary_size, 1))"),
        "hint": "the token before",
    },
]
