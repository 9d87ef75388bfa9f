"""Servers for the tests of the page: one in this process, one that can be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time


@contextlib.contextmanager
def served(store, public=False):
    """Serves a store from a thread; yields the address."""
    import uvicorn

    from rmkeras.feedback.app import create_app
    from rmkeras.feedback.serve import listen

    with listen("127.0.0.1", 0) as taken:
        config = uvicorn.Config(
            create_app(store, public),
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=60)


class Killable:
    """`rmkeras annotate` in a process of its own, always at the same port."""

    def __init__(self, db):
        self.db = db
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "rmkeras", "annotate", "--db", str(self.db)]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        while "Ctrl-C" not in (line := self.process.stdout.readline()):
            assert line, "the server ended"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
