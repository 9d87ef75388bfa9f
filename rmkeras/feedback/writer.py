"""Many people's changes in one commit."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from rmkeras.feedback.store import Store

MOST = 64
"""Most changes in one commit."""


class Writer:
    """A thread that makes changes to the store for an asynchronous server.

    A commit waits for the disk, some milliseconds. Fifty people who answer at
    once would wait for fifty commits, one after the other. So what has arrived
    while the last commit was on its way goes into the next one together. Nobody
    gets an answer before the commit that holds their change has ended.

    Each change has a savepoint: one that fails is taken back alone.

    Args:
        store: The store.
    """

    def __init__(self, store: Store):
        self.store = store
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    async def run(self, change: Callable[..., Any], *args: Any) -> Any:
        """Makes a change.

        Args:
            change: Called with `args` in the writer's thread, within a transaction.
            *args: Its arguments.

        Returns:
            What `change` returned, when it is on the disk.

        Raises:
            Exception: What `change` raised; then it changed nothing.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._jobs.put((loop, future, change, args))
        return await future

    def close(self) -> None:
        """Ends the thread when it has done what it was given."""
        self._jobs.put(None)
        self._thread.join(timeout=30)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs = [job]
            while len(jobs) < MOST:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    self._jobs.put(None)
                    break
                jobs.append(job)
            self._make(jobs)

    def _make(self, jobs: list) -> None:
        done = []
        try:
            with self.store.transaction() as db:
                for _, _, change, args in jobs:
                    db.execute("SAVEPOINT change")
                    try:
                        done.append((change(*args), None))
                    except Exception as error:
                        db.execute("ROLLBACK TO change")
                        done.append((None, error))
                    db.execute("RELEASE change")
        except Exception as error:
            # The commit failed: nobody's change is there, also not the good ones.
            done = [(None, error)] * len(jobs)
        for (loop, future, _, _), (result, error) in zip(jobs, done, strict=True):
            loop.call_soon_threadsafe(_resolve, future, result, error)


def _resolve(future, result, error) -> None:
    if future.done():  # The person has closed the page.
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
