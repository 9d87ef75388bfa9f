"""Cleans synthetic comparisons with Beam and watches the memory.

python benchmarks/beam_feedback.py --megabytes 1000
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

WORDS = [
    "the",
    "a",
    "good",
    "bad",
    "film",
    "so",
    "",
    "nice",
    "&lt;3",
    "it",
    "was",
    "I",
    "think",
    "that",
    "story",
    "music",
    "10",
]


def write(folder, megabytes, files, seed=0):
    """Writes comparisons of some 1.5 kB, of which a tenth are repeats."""
    rng, names, rows = random.Random(seed), [], 0
    size = megabytes * 1_000_000 // files
    recent = []
    for number in range(files):
        name = folder / f"in-{number}.jsonl"
        names.append(str(name))
        with name.open("w", encoding="utf8") as file:
            written = 0
            while written < size:
                if recent and rng.random() < 0.1:
                    line = rng.choice(recent)
                else:
                    prompt, one, two = (
                        " ".join(rng.choices(WORDS, k=k)) for k in (60, 120, 120)
                    )
                    record = {"prompt": prompt, "chosen": one, "rejected": two}
                    line = json.dumps(record) + "\n"
                    recent = [*recent[-999:], line]
                written += file.write(line)
                rows += 1
    return names, rows


def child(names, out):
    from rmkeras.data.beam import clean_with_beam

    print(json.dumps(clean_with_beam(names, out)))


def watch(process, peak):
    """Notes the greatest memory of a process and its children, in MB."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            lines = status.read_text().splitlines()
            held = next(int(x.split()[1]) for x in lines if x.startswith("VmRSS"))
            peak[0] = max(peak[0], held / 1000)
        except (OSError, StopIteration):
            pass
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child[1:], arguments.child[0])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        names, rows = write(folder, arguments.megabytes, arguments.files)
        started, peak = time.monotonic(), [0.0]
        command = [sys.executable, __file__, "--child", str(folder / "out"), *names]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        thread = threading.Thread(target=watch, args=(process, peak))
        thread.start()
        told = process.communicate()[0]
        thread.join()
        found = {
            "megabytes": arguments.megabytes,
            "rows": rows,
            "seconds": round(time.monotonic() - started, 1),
            "peak_mb": round(peak[0]),
            **json.loads(told.strip().splitlines()[-1]),
        }
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
