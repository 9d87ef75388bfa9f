"""Plausible wrong answers to the exercises of notebook 16, and the hint they meet."""

WRONG = [
    {
        "exercise": "global_mean",
        "why": "averages the replicas' means",
        "code": """
def global_mean(losses, masks):
    return np.mean([(a * m).sum() / m.sum() for a, m in zip(losses, masks)])
""",
        "hint": "the mean of the replicas' means",
    },
    {
        "exercise": "global_mean",
        "why": "divides by all places, padding too",
        "code": """
def global_mean(losses, masks):
    total = sum((a * m).sum() for a, m in zip(losses, masks))
    return total / sum(m.size for m in masks)
""",
        "hint": "padding counts neither",
    },
    {
        "exercise": "global_mean",
        "why": "adds up the replicas' means with weights that are NaN",
        "code": """
def global_mean(losses, masks):
    counts = np.array([m.sum() for m in masks])
    means = np.array([(a * m).sum() / m.sum() for a, m in zip(losses, masks)])
    return (counts * means).sum() / counts.sum()
""",
        "hint": "a replica without a real token adds nothing",
    },
    {
        "exercise": "accumulated",
        "why": "averages the parts' means",
        "code": """
def accumulated(sums, counts, clip):
    mean = [
        np.mean([s / n for s, n in zip(part, counts)], axis=0) for part in zip(*sums)
    ]
    norm = np.sqrt(sum((g**2).sum() for g in mean))
    return [g * min(1, clip / norm) if norm > 0 else g for g in mean]
""",
        "hint": "1 row and 3 rows must not weigh alike",
    },
    {
        "exercise": "accumulated",
        "why": "clips each part",
        "code": """
def accumulated(sums, counts, clip):
    total = [np.zeros_like(g) for g in sums[0]]
    for part, n in zip(sums, counts):
        norm = np.sqrt(sum((g**2).sum() for g in part)) / n
        scale = min(1, clip / norm) if norm > 0 else 1
        total = [t + scale * g for t, g in zip(total, part)]
    return [t / sum(counts) for t in total]
""",
        "hint": "not part by part",
    },
    {
        "exercise": "accumulated",
        "why": "clips the sum before the division",
        "code": """
def accumulated(sums, counts, clip):
    total = [np.sum(part, axis=0) for part in zip(*sums)]
    norm = np.sqrt(sum((g**2).sum() for g in total))
    scale = min(1, clip / norm) if norm > 0 else 1
    return [scale * g / sum(counts) for g in total]
""",
        "hint": "after all parts are added up and divided",
    },
    {
        "exercise": "accumulated",
        "why": "clips each variable by its own norm",
        "code": """
def accumulated(sums, counts, clip):
    mean = [np.sum(part, axis=0) / sum(counts) for part in zip(*sums)]
    norms = [np.sqrt((g**2).sum()) for g in mean]
    return [g * min(1, clip / n) if n > 0 else g for g, n in zip(mean, norms)]
""",
        "hint": "not one for each variable",
    },
    {
        "exercise": "accumulated",
        "why": "scales to the limit in any case",
        "code": """
def accumulated(sums, counts, clip):
    mean = [np.sum(part, axis=0) / sum(counts) for part in zip(*sums)]
    norm = np.sqrt(sum((g**2).sum() for g in mean))
    return [g * clip / norm for g in mean]
""",
        "hint": "clipping makes nothing longer",
    },
    {
        "exercise": "checkpoint",
        "why": "saves the weights alone",
        "code": """
def snapshot(trainer):
    return {"weights": trainer.weights.copy()}


def restore(trainer, saved):
    trainer.weights = saved["weights"].copy()
""",
        "hint": "an optimizer's moments are part of the state",
    },
    {
        "exercise": "checkpoint",
        "why": "begins the epoch again",
        "code": """
def snapshot(trainer):
    return {
        "weights": trainer.weights.copy(),
        "velocity": trainer.velocity.copy(),
        "epoch": trainer.epoch,
    }


def restore(trainer, saved):
    trainer.weights = saved["weights"].copy()
    trainer.velocity = saved["velocity"].copy()
    trainer.epoch = saved["epoch"]
""",
        "hint": "the place in the data is not restored",
    },
    {
        "exercise": "checkpoint",
        "why": "forgets the random generator",
        "code": """
def snapshot(trainer):
    return {
        "weights": trainer.weights.copy(),
        "velocity": trainer.velocity.copy(),
        "epoch": trainer.epoch,
        "place": trainer.place,
    }


def restore(trainer, saved):
    trainer.weights = saved["weights"].copy()
    trainer.velocity = saved["velocity"].copy()
    trainer.epoch, trainer.place = saved["epoch"], saved["place"]
""",
        "hint": "the random generator must go on",
    },
    {
        "exercise": "checkpoint",
        "why": "saves the arrays themselves, which go on changing",
        "code": """
def snapshot(trainer):
    return {
        "weights": trainer.weights,
        "velocity": trainer.velocity,
        "noise": trainer.noise.bit_generator.state,
        "epoch": trainer.epoch,
        "place": trainer.place,
    }


def restore(trainer, saved):
    trainer.weights[:] = saved["weights"]
    trainer.velocity[:] = saved["velocity"]
    trainer.noise.bit_generator.state = saved["noise"]
    trainer.epoch, trainer.place = saved["epoch"], saved["place"]
""",
        "hint": "must be copied when they are saved",
    },
    {
        "exercise": "checkpoint",
        "why": "trains on the snapshot's own arrays after restoring",
        "code": """
def snapshot(trainer):
    return {
        "weights": trainer.weights.copy(),
        "velocity": trainer.velocity.copy(),
        "noise": trainer.noise.bit_generator.state,
        "epoch": trainer.epoch,
        "place": trainer.place,
    }


def restore(trainer, saved):
    trainer.weights, trainer.velocity = saved["weights"], saved["velocity"]
    trainer.noise.bit_generator.state = saved["noise"]
    trainer.epoch, trainer.place = saved["epoch"], saved["place"]
""",
        "hint": "copy them when they are restored",
    },
    {
        "exercise": "devices",
        "why": "counts numbers and not bytes",
        "code": """
def step_seconds(devices, weights, tokens, flops, bandwidth):
    compute = 6 * weights * tokens / (devices * flops)
    return compute + 2 * (devices - 1) / devices * weights / bandwidth


def devices_needed(seconds, weights, tokens, flops, bandwidth):
    for r in range(1, 100_000):
        if step_seconds(r, weights, tokens, flops, bandwidth) <= seconds:
            return r
""",
        "hint": "count bytes",
    },
    {
        "exercise": "devices",
        "why": "sends the gradient once",
        "code": """
def step_seconds(devices, weights, tokens, flops, bandwidth):
    compute = 6 * weights * tokens / (devices * flops)
    return compute + (devices - 1) / devices * 4 * weights / bandwidth


def devices_needed(seconds, weights, tokens, flops, bandwidth):
    for r in range(1, 100_000):
        if step_seconds(r, weights, tokens, flops, bandwidth) <= seconds:
            return r
""",
        "hint": "the ring goes round twice",
    },
    {
        "exercise": "devices",
        "why": "shares the all-reduce out as well",
        "code": """
def step_seconds(devices, weights, tokens, flops, bandwidth):
    compute = 6 * weights * tokens / flops
    wire = 2 * (devices - 1) / devices * 4 * weights / bandwidth
    return (compute + wire) / devices


def devices_needed(seconds, weights, tokens, flops, bandwidth):
    for r in range(1, 100_000):
        if step_seconds(r, weights, tokens, flops, bandwidth) <= seconds:
            return r
""",
        "hint": "the all-reduce is not",
    },
    {
        "exercise": "devices",
        "why": "rounds down",
        "code": """
def step_seconds(devices, weights, tokens, flops, bandwidth):
    compute = 6 * weights * tokens / (devices * flops)
    return compute + 2 * (devices - 1) / devices * 4 * weights / bandwidth


def devices_needed(seconds, weights, tokens, flops, bandwidth):
    alone, wire = 6 * weights * tokens / flops, 8 * weights / bandwidth
    if wire >= seconds:
        return None
    return int((alone - wire) / (seconds - wire))
""",
        "hint": "rounded up",
    },
    {
        "exercise": "devices",
        "why": "gives up after a thousand",
        "code": """
def step_seconds(devices, weights, tokens, flops, bandwidth):
    compute = 6 * weights * tokens / (devices * flops)
    return compute + 2 * (devices - 1) / devices * 4 * weights / bandwidth


def devices_needed(seconds, weights, tokens, flops, bandwidth):
    for r in range(1, 1001):
        if step_seconds(r, weights, tokens, flops, bandwidth) <= seconds:
            return r
""",
        "hint": "do not stop the search early",
    },
    {
        "exercise": "compress",
        "why": "sends the largest entries and forgets the rest",
        "code": """
def compress(gradient, memory):
    message = np.zeros(64)
    largest = np.argsort(-np.abs(gradient))[:6]
    message[largest] = gradient[largest]
    return message, memory
""",
        "hint": "Remember what you do not send",
    },
    {
        "exercise": "compress",
        "why": "keeps what was sent in the memory",
        "code": """
def compress(gradient, memory):
    owed = gradient + memory
    message = np.zeros(64)
    largest = np.argsort(-np.abs(owed))[:6]
    message[largest] = owed[largest]
    return message, owed
""",
        "hint": "must not stay in the memory",
    },
    {
        "exercise": "compress",
        "why": "sends entries at random, scaled to the right mean",
        "code": """
def compress(gradient, memory):
    chosen = np.random.default_rng(int(1e6 * abs(gradient).sum())).choice(64, 6, False)
    message = np.zeros(64)
    message[chosen] = gradient[chosen] * 64 / 6
    return message, memory
""",
        "hint": "or sent as noise",
    },
    {
        "exercise": "compress",
        "why": "sends too many entries",
        "code": """
def compress(gradient, memory):
    owed = gradient + memory
    message = np.where(np.abs(owed) >= np.quantile(np.abs(owed), 0.9), owed, 0)
    return message, owed - message
""",
        "hint": "at most 6 may be",
    },
]
