"""Work that is shared out by rows, and sums that everybody gets."""

from __future__ import annotations

import threading

import numpy as np


class Alone:
    """One that does everything: what a share is without a strategy.

    Attributes:
        rank: This one's number.
        count: How many share the work.

    Example:

    >>> from rmkeras.distribute import Alone
    >>> Alone().rows(5), Alone().sum([2.0])
    ((0, 5), [2.0])
    """

    rank, count = 0, 1

    @property
    def is_chief(self):
        """Whether this one speaks for all."""
        return self.rank == 0

    def rows(self, total, unit=1):
        """Which of some rows are this one's.

        Args:
            total: Number of rows, a multiple of `unit`.
            unit: Rows that have to stay together.

        Returns:
            The first row, and the one after the last.
        """
        units = total // unit
        ends = [units * i // self.count * unit for i in range(self.count + 1)]
        return ends[self.rank], ends[self.rank + 1]

    def sum(self, arrays):
        """Adds up arrays of the same shapes over all; a list of NumPy arrays."""
        return list(arrays)

    def gather(self, part, total, unit=1):
        """Puts together what each has computed of its rows.

        Args:
            part: `(rows, …)`, this one's.
            total, unit: As for `rows`.

        Returns:
            A NumPy array `(total, …)`, the same for all.
        """
        part = np.asarray(part)
        if self.count == 1:
            return part
        first, last = self.rows(total, unit)
        whole = np.zeros((total, *part.shape[1:]), part.dtype)
        whole[first:last] = part
        return np.asarray(self.sum([whole])[0])

    def of_chief(self, arrays):
        """Gives all what the chief has; the others' arrays only lend their shapes."""
        if self.count == 1:
            return list(arrays)
        arrays = [np.asarray(a) for a in arrays]
        return self.sum(arrays if self.is_chief else [np.zeros_like(a) for a in arrays])


class WorkerShare(Alone):
    """The share of a process among workers.

    Args:
        group: A `Group`.

    Example:

    >>> from rmkeras.distribute import Group, WorkerShare, strategy
    >>> share = WorkerShare(Group(strategy("one")))
    >>> share.is_chief, share.rows(5)
    (True, (0, 5))
    """

    def __init__(self, group):
        self.group = group
        self.rank, self.count = group.worker, group.workers

    def sum(self, arrays):
        """Adds up over the workers; see `Alone`."""
        return self.group.sum(arrays)


class ThreadShare(Alone):
    """The share of a thread, one for each device of a process.

    Args:
        rank: The thread's number.
        meeting: A `Meeting` that all of them have.

    Example:

    >>> from rmkeras.distribute import Meeting, ThreadShare
    >>> meeting = Meeting(2)
    >>> [ThreadShare(rank, meeting).rows(5) for rank in range(2)]
    [(0, 2), (2, 5)]
    """

    def __init__(self, rank, meeting):
        self.rank, self.count, self.meeting = rank, meeting.count, meeting

    def sum(self, arrays):
        """Adds up over the threads, always in the same order; see `Alone`."""
        return self.meeting.sum(self.rank, arrays)


class Meeting:
    """Where threads wait for each other and add up what they bring.

    Args:
        count: Number of threads.

    Example:

    >>> from rmkeras.distribute import Meeting
    >>> meeting = Meeting(2)
    >>> def thread(rank):
    ...     return int(meeting.sum(rank, [10 + rank])[0])
    >>> meeting.run([lambda: thread(0), lambda: thread(1)])
    [21, 21]
    """

    def __init__(self, count):
        self.count = count
        self.brought = [None] * count
        self.barrier = threading.Barrier(count)

    def sum(self, rank, arrays):
        """Called by every thread with its number and its arrays."""
        self.brought[rank] = [np.asarray(a) for a in arrays]
        self.barrier.wait()
        found = [
            np.sum(np.stack(v), axis=0, dtype=v[0].dtype)
            for v in zip(*self.brought, strict=True)
        ]
        self.barrier.wait()  # Nobody brings the next before all have read this.
        return found

    def run(self, functions):
        """Calls one function in each thread.

        Args:
            functions: As many as there are threads.

        Returns:
            Their results.

        Raises:
            Exception: The first one's that failed by itself.
        """
        results, errors = [None] * self.count, [None] * self.count

        def call(i):
            try:
                results[i] = functions[i]()
            except BaseException as error:
                errors[i] = error
                self.barrier.abort()

        threads = [threading.Thread(target=call, args=(i,)) for i in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = [e for e in errors if e is not None]
        if found:
            self.barrier.reset()
            own = [e for e in found if not isinstance(e, threading.BrokenBarrierError)]
            raise (own or found)[0]
        return results
