"""Wrong answers to the exercises of notebook 03, and the hint that each must meet."""

WRONG = [
    {
        "exercise": "bad_lines",
        "why": "counts from 0",
        "code": """
def bad_lines(lines):
    bad = []
    for number, line in enumerate(lines):
        try:
            row = json.loads(line)
            a, b = row["chosen"].strip(), row["rejected"].strip()
            fine = a and b and a != b and np.isfinite(row.get("margin", 0))
        except Exception:
            fine = False
        if not fine:
            bad.append(number)
    return bad
""",
        "hint": "counted from 1",
    },
    {
        "exercise": "bad_lines",
        "why": "stops at the first",
        "code": """
def bad_lines(lines):
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            a, b = row["chosen"].strip(), row["rejected"].strip()
            assert a and b and a != b and np.isfinite(row.get("margin", 0))
        except Exception:
            return [number]
    return []
""",
        "hint": "go on after the first bad line",
    },
    {
        "exercise": "bad_lines",
        "why": "takes white space for an answer",
        "code": """
def bad_lines(lines):
    bad = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            a, b = row["chosen"], row["rejected"]
            fine = a and b and a != b and np.isfinite(row.get("margin", 0))
        except Exception:
            fine = False
        if not fine:
            bad.append(number)
    return bad
""",
        "hint": "an answer of white space",
    },
    {
        "exercise": "bad_lines",
        "why": "takes NaN for a margin",
        "code": """
def bad_lines(lines):
    bad = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            a, b = row["chosen"].strip(), row["rejected"].strip()
            fine = a and b and a != b and isinstance(row.get("margin", 0.0), int | float)
        except Exception:
            fine = False
        if not fine:
            bad.append(number)
    return bad
""",
        "hint": "a margin of NaN",
    },
    {
        "exercise": "bad_lines",
        "why": "stops at a line that is JSON and no object",
        "code": """
def bad_lines(lines):
    bad = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            a, b = row["chosen"].strip(), row["rejected"].strip()
            fine = a and b and a != b and np.isfinite(row.get("margin", 0))
        except (ValueError, KeyError, AttributeError):
            fine = False
        if not fine:
            bad.append(number)
    return bad
""",
        "hint": "it stopped the function with a TypeError",
    },
    {
        "exercise": "count_votes",
        "why": "takes swapped sides for another pair",
        "code": """
def count_votes(votes):
    return {v: votes.count(v) / len(votes) for v in votes}
""",
        "hint": "sides swapped",
    },
    {
        "exercise": "count_votes",
        "why": "keeps ties",
        "code": """
def count_votes(votes):
    shares = {}
    for a, b in votes:
        if (b, a) not in shares:
            n, m = votes.count((a, b)), votes.count((b, a))
            shares[(a, b) if n >= m else (b, a)] = max(n, m) / (n + m)
    return shares
""",
        "hint": "a tie is left out",
    },
    {
        "exercise": "count_votes",
        "why": "divides by all votes",
        "code": """
def count_votes(votes):
    shares = {}
    for a, b in votes:
        if votes.count((a, b)) > votes.count((b, a)):
            shares[a, b] = votes.count((a, b)) / len(votes)
    return shares
""",
        "hint": "not of all votes",
    },
    {
        "exercise": "count_votes",
        "why": "puts the first of the alphabet first",
        "code": """
def count_votes(votes):
    shares = {}
    for a, b in {tuple(sorted(v)) for v in votes}:
        n, m = votes.count((a, b)), votes.count((b, a))
        if n != m:
            shares[a, b] = max(n, m) / (n + m)
    return shares
""",
        "hint": "whatever the alphabet says",
    },
    {
        "exercise": "signatures",
        "why": "draws new hash functions for each text",
        "code": """
def signatures(texts, k, seed=0):
    import zlib

    rng, p, rows = np.random.default_rng(seed), np.uint64(2**31 - 1), []
    for text in texts:
        a, b = rng.integers(1, 2**31 - 1, size=(2, 1, k), dtype=np.uint64)
        codes = np.array([zlib.crc32(s.encode()) for s in shingles(text)], "uint64")
        rows.append(((a * codes[:, None] + b) % p).min(0))
    return np.stack(rows)
""",
        "hint": "draw them once",
    },
    {
        "exercise": "signatures",
        "why": "uses one hash function k times",
        "code": """
def signatures(texts, k, seed=0):
    import zlib

    rng, p, rows = np.random.default_rng(seed), np.uint64(2**31 - 1), []
    a, b = rng.integers(1, 2**31 - 1, size=2, dtype=np.uint64)
    for text in texts:
        codes = np.array([zlib.crc32(s.encode()) for s in shingles(text)], "uint64")
        rows.append(np.full(k, ((a * codes + b) % p).min()))
    return np.stack(rows)
""",
        "hint": "Is each function another one",
    },
    {
        "exercise": "signatures",
        "why": "keeps the k smallest numbers of one hash function",
        "code": """
def signatures(texts, k, seed=0):
    import zlib

    rows = []
    for text in texts:
        codes = sorted(zlib.crc32(f"{seed}{s}".encode()) for s in shingles(text))
        rows.append(np.resize(codes, k))
    return np.stack(rows)
""",
        "hint": "Is each function another one",
    },
    {
        "exercise": "signatures",
        "why": "keeps the last shingle, not the smallest number",
        "code": """
def signatures(texts, k, seed=0):
    import zlib

    rng, p, rows = np.random.default_rng(seed), np.uint64(2**31 - 1), []
    a, b = rng.integers(1, 2**31 - 1, size=(2, k), dtype=np.uint64)
    for text in texts:
        codes = np.array([zlib.crc32(s.encode()) for s in sorted(shingles(text))])
        rows.append((a * np.uint64(codes[-1]) + b) % p)
    return np.stack(rows)
""",
        "hint": "smallest number over the shingles",
    },
    {
        "exercise": "fit_pair",
        "why": "cuts the end",
        "code": """
def fit_pair(prompt, chosen, rejected, limit):
    return (prompt + chosen)[:limit], (prompt + rejected)[:limit]
""",
        "hint": "answers must stay whole",
    },
    {
        "exercise": "fit_pair",
        "why": "cuts each side for itself",
        "code": """
def fit_pair(prompt, chosen, rejected, limit):
    return (prompt + chosen)[-limit:], (prompt + rejected)[-limit:]
""",
        "hint": "the same prompt",
    },
    {
        "exercise": "fit_pair",
        "why": "slices with minus zero",
        "code": """
def fit_pair(prompt, chosen, rejected, limit):
    room = max(0, limit - max(len(chosen), len(rejected)))
    kept = prompt[-room:]
    return (kept + chosen)[:limit], (kept + rejected)[:limit]
""",
        "hint": "a slice [-0:]",
    },
    {
        "exercise": "fit_pair",
        "why": "keeps the beginning of the prompt",
        "code": """
def fit_pair(prompt, chosen, rejected, limit):
    room = max(0, limit - max(len(chosen), len(rejected)))
    kept = prompt[:room]
    return (kept + chosen)[:limit], (kept + rejected)[:limit]
""",
        "hint": "stays: cut the beginning",
    },
    {
        "exercise": "key_of",
        "why": "strips all punctuation",
        "code": """
def key_of(text):
    import html
    import re

    return " ".join(re.sub("[^a-z0-9 ]", " ", html.unescape(text).lower()).split())
""",
        "hint": "a smiley is made of punctuation",
    },
    {
        "exercise": "key_of",
        "why": "removes stop words",
        "code": """
def key_of(text):
    import html
    import re

    text = re.sub("([!?.])+", r"\\1", html.unescape(text).lower())
    stop = {"a", "an", "the", "this", "is", "not", "no", "i", "my", "they", "are"}
    return " ".join(w for w in text.split() if w not in stop)
""",
        "hint": "stop words hold the negations",
    },
    {
        "exercise": "key_of",
        "why": "collapses every repeated character",
        "code": """
def key_of(text):
    import html
    import re

    text = html.unescape(text).lower().replace("\\u2019", "'")
    text = text.replace("\\u201c", '"').replace("\\u201d", '"')
    return " ".join(re.sub(r"(.)\\1+", r"\\1", text).split())
""",
        "hint": "letters may repeat",
    },
    {
        "exercise": "key_of",
        "why": "changes case and white space alone",
        "code": """
def key_of(text):
    return " ".join(text.lower().split())
""",
        "hint": "an HTML entity",
    },
]
