"""Runs every notebook under strict nbval in each setting, and prints the table.

A committed output has to hold on other machines than the one that wrote it. What
differs between them can be had on one: the version of Python, the library of kernels
(oneDNN on or off), the width of the vector instructions, the number of threads. A run
is kept in `benchmarks/results/notebook_matrix.json` under the notebook's checksum, so
that an interrupted matrix goes on where it was, and only what has changed runs again.
The order is drawn anew each time, because no notebook may lean on another. `make
matrix` runs it; some ten minutes a setting on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
# Name: the version of Python, and what its environment adds.
SETTINGS = {
    "3.11": ("3.11", {}),
    "3.12": ("3.12", {}),
    "3.13": ("3.13", {}),
    "no oneDNN": ("3.11", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "AVX2": ("3.11", {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "SSE4.1": ("3.11", {"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    "1 thread": ("3.11", ONE_THREAD),
    "3.13, AVX2, 1 thread": ("3.13", {"ONEDNN_MAX_CPU_ISA": "AVX2"} | ONE_THREAD),
}


def main():
    """Reads the options, runs what is missing, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--environment",
        metavar="VERSION=PYTHON",
        action="append",
        default=[],
        help="the interpreter of an environment, e.g. 3.12=.venv-3.12/bin/python",
    )
    parser.add_argument("--setting", action="append", choices=SETTINGS)
    parser.add_argument("--notebook", action="append", help="part of a name")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--times", type=int, default=1, help="runs of each, in all")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks/results/notebook_matrix.json"
    )
    parser.add_argument("--table", action="store_true", help="print what is known")
    arguments = parser.parse_args()
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    pythons = {here: sys.executable}
    for pair in arguments.environment:
        version, python = pair.split("=", 1)
        if Path(python).exists():
            pythons[version] = python
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if arguments.notebook:
        wanted = arguments.notebook
        notebooks = [n for n in notebooks if any(w in n.stem for w in wanted)]
    known = (
        json.loads(arguments.out.read_text("utf8")) if arguments.out.exists() else {}
    )
    current = {key(setting, n) for setting in SETTINGS for n in notebooks}
    if not arguments.notebook:  # What notebooks were is of no use any more.
        known = {name: runs for name, runs in known.items() if name in current}
    if not arguments.table:
        run_all(arguments, pythons, notebooks, known)
    sys.exit(print_table(notebooks, known))


def key(setting, notebook):
    """A run counts for a notebook's code and outputs as they are now, in a setting."""
    cells = json.loads(notebook.read_text("utf8"))["cells"]
    code = [(c["source"], c["outputs"]) for c in cells if c["cell_type"] == "code"]
    digest = hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]
    return f"{notebook.stem} | {setting} | {digest}"


def run_all(arguments, pythons, notebooks, known):
    """Runs what `known` lacks, in a new order, and saves after each run."""
    jobs = []
    for setting in arguments.setting or SETTINGS:
        if SETTINGS[setting][0] not in pythons:
            print(f"{setting}: no interpreter, so it is left out; see --environment")
            continue
        for notebook in notebooks:
            done = known.get(key(setting, notebook), [])
            missing = max(0, arguments.times - len(done))
            jobs += [(setting, notebook)] * missing
    random.shuffle(jobs)

    def work(job):
        setting, notebook = job
        run = one(pythons[SETTINGS[setting][0]], SETTINGS[setting][1], notebook)
        known.setdefault(key(setting, notebook), []).append(run)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(known, indent=1, sort_keys=True)
        arguments.out.write_text(text + "\n", "utf8")
        verdict = "holds" if run["passed"] else "FAILS"
        print(f"{notebook.stem} [{setting}] {verdict}, {run['seconds']} s", flush=True)
        if not run["passed"]:
            print(run["tail"], flush=True)

    with ThreadPoolExecutor(arguments.workers) as pool:
        list(pool.map(work, jobs))


def one(python, extra, notebook):
    """Strict nbval on one notebook: every output as committed."""
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval"]
    command += ["--nbval-current-env", "--nbval-cell-timeout", "300", str(notebook)]
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | extra,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return {
        "passed": done.returncode == 0,
        "seconds": round(time.monotonic() - started),
        "tail": "" if done.returncode == 0 else done.stdout[-3000:],
    }


def print_table(notebooks, known):
    """Markdown: a row a notebook, a column a setting. Returns 1 if one fails."""
    print("| notebook | " + " | ".join(SETTINGS) + " | longest, s |")
    print("| --- |" + " --- |" * (len(SETTINGS) + 1))
    held = total = failed = 0
    for notebook in notebooks:
        cells, seconds = [], [0]
        for setting in SETTINGS:
            runs = known.get(key(setting, notebook), [])
            total += 1
            good = bool(runs) and all(r["passed"] for r in runs)
            held += good
            failed += bool(runs) and not good
            cells.append(
                "–" if not runs else f"holds ×{len(runs)}" if good else "FAILS"
            )
            seconds += [r["seconds"] for r in runs]
        print(f"| {notebook.stem} | " + " | ".join(cells) + f" | {max(seconds)} |")
    print(
        f"\n{held} of {total} hold, {failed} fail, {total - held - failed} were not run"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    main()
