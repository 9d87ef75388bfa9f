"""Starting several workers on this machine: `TF_CONFIG`, output, and the end of all."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from rmkeras.distribute.group import WorkerLost
from rmkeras.errors import RmkerasError

GRACE = 30.0
"""Seconds that workers get to end by themselves after one has died."""


def free_ports(count):
    """Finds ports on 127.0.0.1 that nobody listens on.

    Args:
        count: How many.

    Returns:
        A list of ints.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def worker_environments(workers, base=None):
    """Makes the environment of each worker, as TensorFlow documents `TF_CONFIG`.

    Args:
        workers: How many.
        base: What they share; this process's environment if `None`.

    Returns:
        A list of dicts.

    Example:

    >>> import json
    >>> from rmkeras.distribute.launch import worker_environments
    >>> [json.loads(e["TF_CONFIG"])["task"]["index"] for e in worker_environments(2, {})]
    [0, 1]
    """
    base = dict(os.environ if base is None else base)
    if workers == 1:
        return [{k: v for k, v in base.items() if k != "TF_CONFIG"}]
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    # Each worker would start as many threads as there are cores.
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    found = []
    for index in range(workers):
        config = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        found.append(
            {
                "TF_NUM_INTRAOP_THREADS": threads,
                "OMP_NUM_THREADS": threads,
                **base,
                "TF_CONFIG": json.dumps(config),
            }
        )
    return found


class Workers:
    """Some processes that live and die together.

    Args:
        command: The command's words; `rmkeras` and `python` mean this Python's.
        workers: How many.
        write: Takes a worker's number and a line of its output.
        environment: What they share; see `worker_environments`.

    Attributes:
        processes: The `subprocess.Popen`s.
        failed: Exit status of the one that failed first, `None` if none has.
    """

    def __init__(self, command, workers, write, environment=None):
        words = list(command)
        if words[0] == "rmkeras":
            words = [sys.executable, "-m", *words]
        elif words[0] == "python":
            words[0] = sys.executable
        self.write = write
        self.failed = None
        self.processes, self.readers = [], []
        try:
            for settings in worker_environments(workers, environment):
                self._start(words, settings)
        except OSError as error:
            self.kill()
            raise RmkerasError(
                f"{words[0]} cannot be started ({error.strerror}); give a command, "
                "such as: rmkeras launch --workers 2 -- rmkeras train-reward …"
            ) from error

    def _start(self, words, environment):
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C reaches the launcher alone, which tells all of them.
            start_new_session=True,
        )
        number = len(self.processes)
        self.processes.append(process)

        def read():
            for line in process.stdout:
                self.write(number, line.rstrip("\n"))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self.readers.append(reader)

    def ask_to_stop(self):
        """Sends SIGTERM: save and end."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()

    def kill(self):
        """Ends those that are left, at once."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def wait(self, grace=GRACE, poll=0.1):
        """Waits for all; when one has died, the others get `grace` seconds.

        Args:
            grace: Seconds.
            poll: Seconds between two looks.

        Returns:
            The exit statuses, as shells count them (128 + signal).
        """
        died = None
        while any(p.poll() is None for p in self.processes):
            if self._note_first() and died is None:
                died = time.monotonic()
            if died is not None and time.monotonic() - died > grace:
                self.kill()
            time.sleep(poll)
        self._note_first()
        for reader in self.readers:
            reader.join(timeout=5)
        return [_status(p) for p in self.processes]

    def _note_first(self):
        """Notes which one failed first; the others may fail of its death."""
        for process in self.processes:
            if self.failed is None and process.poll() not in (None, 0):
                self.failed = _status(process)
        return self.failed is not None


def _status(process):
    code = process.returncode
    return code if code >= 0 else 128 - code


def launch(command, workers=2, restarts=0, say=print, write=None, grace=GRACE):
    """Runs a command as several workers and waits for the end of all.

    Args:
        command: The command's words.
        workers: How many.
        restarts: How often all are started again, with `--resume`, after one has
            died of a signal or of another worker's death.
        say: Takes a line about the workers.
        write: Takes a worker's number and a line of its output; printed with the
            number in front if `None`.
        grace: Seconds that the others get when one has died.

    Returns:
        The exit status: 0 if all ended with 0, else that of the worker that failed
        first.

    Raises:
        RmkerasError: If there is no command.
    """
    if not command:
        raise RmkerasError(
            "there is no command; give one after --, such as: rmkeras launch "
            "--workers 2 -- rmkeras train-reward …"
        )
    lock = threading.Lock()

    def prefixed(number, line):
        with lock:
            print(f"[{number}] {line}", flush=True)

    environment = dict(os.environ)
    while True:
        running = Workers(command, workers, write or prefixed, environment)
        with _forwarding(running) as asked:
            codes = running.wait(grace)
        if not any(codes):
            return 0
        say("workers ended: " + ", ".join(f"{i} with {c}" for i, c in enumerate(codes)))
        lost = running.failed == WorkerLost.exit_code or running.failed > 128
        if not (lost and restarts) or asked.is_set():
            return running.failed
        restarts -= 1
        environment["RMKERAS_RESTARTED"] = "1"
        command = [*command, *([] if "--resume" in command else ["--resume"])]
        say(f"starting all {workers} again with --resume; {restarts} restarts are left")


@contextlib.contextmanager
def _forwarding(running):
    """SIGINT and SIGTERM become SIGTERM of all workers; a second one kills."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number, frame):
        running.kill() if asked.is_set() else running.ask_to_stop()
        asked.set()

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if any(p.poll() is None for p in running.processes):
            running.kill()
