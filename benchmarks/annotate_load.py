"""Fifty raters at once, a server that is killed: is every acknowledged answer there?

    python benchmarks/annotate_load.py [--answers 10000] [--raters 50] [--kills 10]

Starts `rmkeras annotate`, lets simulated raters answer over HTTP until there are
enough answers, kills the server with SIGKILL now and then and starts it again.
Each rater sends an answer again, under the same id, until it is acknowledged. Then
the store is read: every acknowledged answer has to be there once, with the value
that was sent, and no item may have more answers than planned. Prints one JSON
object; exit status 1 if an answer is lost or doubled.

Times are measured in two ways: `--think 0` is a rater who answers the moment the
next item is there, as hard as the server can be pressed; `--think 1.5` waits 1.5 s
on average before each answer, which is still faster than people read.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rmkeras.feedback import Item, Store

CHOICES = ("left", "right", "tie", "bad")


class Server:
    """`rmkeras annotate` in a process of its own, which may be killed."""

    def __init__(self, db: Path):
        self.db = db
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.starts = []
        self.process = None

    def start(self) -> None:
        begin = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "rmkeras",
            "annotate",
            "--port",
            str(self.port),
        ]
        self.process = subprocess.Popen(
            [*command, "--db", str(self.db)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # As in a plain shell: its lines must come though they go through a pipe.
            env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        )
        # It says where it is just before it listens; one that says nothing is ended.
        patience = threading.Timer(120, self.process.kill)
        patience.start()
        while "Ctrl-C" not in (line := self.process.stdout.readline()):
            if not line:
                raise SystemExit(f"the server ended with {self.process.wait()}")
        patience.cancel()
        self.starts.append(time.perf_counter() - begin)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


class Rater:
    """Answers as a page does: one item at a time, the same id until acknowledged."""

    def __init__(self, number: int, token: str, port: int, run):
        self.random = random.Random(number)
        self.token, self.port, self.run = token, port, run
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {}

    def work(self) -> None:
        self._enter()
        reply = self._send("GET", "/api/next")
        while reply["asked"] is not None and not self.run.enough():
            if self.run.think:
                time.sleep(self.random.expovariate(1 / self.run.think))
            answer = {
                "id": secrets.token_hex(16),
                "item": reply["asked"]["item"],
                "value": {"choice": self.random.choice(CHOICES)},
                "seconds": round(self.random.uniform(1, 30), 2),
            }
            reply = self._send("POST", "/api/answer", answer)
            if reply["stored"] != answer["id"]:
                raise AssertionError(f"{answer['id']} came back as {reply['stored']}")
            self.run.acknowledged[answer["id"]] = (answer["item"], answer["seconds"])
        self.connection.close()

    def _enter(self) -> None:
        response, _ = self._until_there("GET", f"/in/{self.token}")
        self.headers["Cookie"] = response.headers["set-cookie"].partition(";")[0]
        _, page = self._until_there("GET", "/")
        csrf = re.search(rb'name="csrf" content="([0-9a-f]+)"', page)[1]
        self.headers["X-CSRF-Token"] = csrf.decode()

    def _send(self, method: str, path: str, body=None) -> dict:
        return json.loads(self._until_there(method, path, body)[1])

    def _until_there(self, method: str, path: str, body=None):
        data, headers = None, dict(self.headers)
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        while True:
            begin = time.perf_counter()
            try:
                self.connection.request(method, path, data, headers)
                response = self.connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.run.broken += 1
            else:
                if response.status < 400:
                    if method == "POST":
                        self.run.times.append(time.perf_counter() - begin)
                    return response, content
                if response.status != 429:
                    raise AssertionError(f"{response.status}: {content[:500]}")
                self.run.limited += 1
            time.sleep(0.1)


class Run:
    """What all raters share."""

    def __init__(self, wanted: int, think: float):
        self.wanted, self.think = wanted, think
        self.acknowledged: dict[str, tuple[int, float]] = {}
        self.times: list[float] = []
        self.broken = self.limited = 0

    def enough(self) -> bool:
        return len(self.acknowledged) >= self.wanted


def _kill_now_and_then(server: Server, run: Run, kills: int) -> None:
    for number in range(1, kills + 1):
        while len(run.acknowledged) < run.wanted * number / (kills + 1):
            time.sleep(0.01)
        server.kill()
        server.start()


def run_load(answers=10_000, raters=50, kills=10, think=0.0, per_item=3, folder=None):
    """Runs it once.

    Args:
        answers: How many acknowledged answers to collect, at least.
        raters: How many raters answer at once.
        kills: How often the server is killed.
        think: Seconds that a rater waits on average before each answer.
        per_item: Planned answers an item.
        folder: Where the store is; a temporary folder by default.

    Returns:
        A dictionary of counts and times.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        db = Path(place, "answers.db")
        items = answers // per_item + 2 * raters
        with Store(db) as store:
            store.set_plan(raters_per_item=per_item)
            store.add_items(
                Item("compare", (f"Answer A to {i}. " * 8, f"B to {i}. " * 8), f"Q {i}")
                for i in range(items)
            )
            names = [f"rater {i}" for i in range(raters)]
            tokens = [token for _, token in store.invite(names)]
        server, run = Server(db), Run(answers, think)
        server.start()
        begin = time.perf_counter()

        try:
            with ThreadPoolExecutor(raters + 1) as pool:
                work = [
                    pool.submit(Rater(i, token, server.port, run).work)
                    for i, token in enumerate(tokens)
                ]
                work.append(pool.submit(_kill_now_and_then, server, run, kills))
                for done in as_completed(work):
                    done.result()
        finally:
            server.kill()
        seconds = time.perf_counter() - begin
        with Store(db, must_exist=True) as store:
            stored = store.answers()
        return _verdict(run, stored, per_item) | {
            "raters": raters,
            "kills": kills,
            "think_seconds": think,
            "seconds": round(seconds, 1),
            "restart_seconds": round(statistics.median(server.starts), 2),
            "cores": os.cpu_count(),
        }


def _verdict(run: Run, stored, per_item: int) -> dict:
    """Compares what was acknowledged with what is in the store."""
    by_id = {a.id: a for a in stored}
    lost = [i for i in run.acknowledged if i not in by_id]
    changed = [
        i
        for i, (item, seconds) in run.acknowledged.items()
        if i in by_id and (by_id[i].item, by_id[i].seconds) != (item, seconds)
    ]
    pairs = [(a.item, a.rater) for a in stored]
    per = {}
    for item, _ in pairs:
        per[item] = per.get(item, 0) + 1
    times = sorted(1000 * t for t in run.times)
    return {
        "acknowledged": len(run.acknowledged),
        "stored": len(stored),
        "lost": len(lost),
        "changed": len(changed),
        "doubled": len(pairs) - len(set(pairs)),
        "items_with_too_many": sum(n > per_item for n in per.values()),
        "broken_requests": run.broken,
        "limited_requests": run.limited,
        "p50_ms": round(times[len(times) // 2], 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
        "p99_ms": round(times[int(len(times) * 0.99)], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--raters", type=int, default=50)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--think", type=float, default=0.0)
    parser.add_argument("--folder", help="where the store is put while it runs")
    a = parser.parse_args()
    found = run_load(a.answers, a.raters, a.kills, a.think, folder=a.folder)
    print(json.dumps(found))
    bad = ("lost", "changed", "doubled", "items_with_too_many")
    return int(any(found[name] for name in bad))


if __name__ == "__main__":
    sys.exit(main())
