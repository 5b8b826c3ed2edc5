"""Share the cases out, watch the processes, and count what comes back."""

import multiprocessing
import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait

from tests.fuzz.worker import ACCEPTED, NANOSECONDS, NUMBER, REFUSED, work

# How many of a hundred cases a target gets.
SHARES = {"packed": 30, "ragged": 45, "sampler": 4, "commands": 5, "tools": 16}
# A case takes a millisecond; so long may one take on a busy machine.
LIMIT = 30.0
_CHUNK = 250


@dataclass
class Tally:
    """What a target has come to."""

    cases: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    findings: list = field(default_factory=list)


class Worker:
    """A process that runs one task at a time."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.shown = context.Array("q", 4, lock=False)
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, self.shown))
        self.process.daemon = True
        self.process.start()
        other.close()
        self.task = None

    def give(self, task):
        self.task = task
        self.shown[:] = [-1, 0, 0, 0]
        self.seen, self.since = -1, None
        self.pipe.send(task)

    def is_stuck(self, limit):
        """Tell whether the same case has been running for so long."""
        number, now = self.shown[NUMBER], time.monotonic()
        if number != self.seen or self.since is None or number < 0:
            self.seen, self.since = number, now
        return now - self.since > limit

    def stop(self):
        self.process.kill()
        self.process.join()
        self.pipe.close()


def share_out(cases, targets):
    """Return how many cases each target gets."""
    whole = sum(SHARES.get(target, 1) for target in targets)
    return {t: cases * SHARES.get(t, 1) // whole or 1 for t in targets}


def run(counts, seed=0, processes=2, limit=LIMIT, on_wait=bool):
    """Run so many cases of each target; return a ``Tally`` for each.

    ``on_wait`` is called with them now and then. An interrupt ends the run;
    what has been found till then is returned.
    """
    tallies = {target: Tally() for target in counts}
    tasks = [
        (target, seed, first, min(first + _CHUNK, count))
        for target, count in counts.items()
        for first in range(0, count, _CHUNK)
    ]
    # All targets at the same pace, the first cases first.
    tasks.sort(key=lambda task: task[2] / counts[task[0]], reverse=True)
    workers = []
    try:
        while tasks or any(worker.task for worker in workers):
            while len(workers) < min(processes, len(tasks) + len(workers)):
                workers.append(Worker())
            for worker in workers:
                if worker.task is None and tasks:
                    worker.give(tasks.pop())
            _listen(workers, tallies, tasks, limit)
            on_wait(tallies)
    except KeyboardInterrupt:
        pass
    finally:
        for worker in workers:
            worker.stop()
    return tallies


def _listen(workers, tallies, tasks, limit):
    """Take in what the workers say, or that they say nothing any more."""
    busy = [worker for worker in workers if worker.task]
    ready = wait([worker.pipe for worker in busy], timeout=0.5)
    for worker in busy:
        if worker.pipe in ready:
            try:
                said = worker.pipe.recv()
            except EOFError:
                worker.process.join()
                status = worker.process.exitcode
                _give_up(worker, tallies, tasks, f"exit status {status}")
                workers.remove(worker)
                continue
            if said is None:
                _count(worker, tallies, worker.task[3])
                worker.task = None
            else:
                target, number, text = said
                tallies[target].findings.append((number, text))
        elif worker.is_stuck(limit):
            _give_up(worker, tallies, tasks, f"longer than {limit:.0f} s")
            workers.remove(worker)


def _give_up(worker, tallies, tasks, text):
    """Note the case that ended a worker; leave the rest to another one."""
    worker.stop()
    target, seed, _, last = worker.task
    number = worker.shown[NUMBER]
    if number < 0:
        raise RuntimeError(f"a worker did not start: {text}")
    _count(worker, tallies, number + 1)
    tallies[target].findings.append((number, text))
    if number + 1 < last:
        tasks.append((target, seed, number + 1, last))


def _count(worker, tallies, end):
    target, _, first, _ = worker.task
    tally = tallies[target]
    tally.cases += end - first
    tally.accepted += worker.shown[ACCEPTED]
    tally.refused += worker.shown[REFUSED]
    tally.seconds += worker.shown[NANOSECONDS] / 1e9
