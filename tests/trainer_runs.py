"""Runs of the trainer in a process of their own, which may kill themselves."""

import os
import signal
import sys
from pathlib import Path

import torch

from examples import checkpoints, fitting, training
from examples.task import load_task
from examples.train import main

# A fork server imports this module, and so reads the texts, once for all.
load_task()


def run(arguments, death):
    """Train; die at the named moment, the how-manieth of its kind."""
    torch.set_num_threads(1)
    if death is not None:
        _arrange(*death)
    sys.exit(main(arguments))


def _die():
    if sys.platform == "win32":
        os._exit(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _arrange(moment, count):
    seen = 0

    def due():
        nonlocal seen
        seen += 1
        return seen == count

    def before(function):
        def run_or_die(*args, **kwargs):
            if due():
                _die()
            return function(*args, **kwargs)

        return run_or_die

    def after(function):
        def run_and_die(*args, **kwargs):
            result = function(*args, **kwargs)
            if due():
                _die()
            return result

        return run_and_die

    def truncate(handle):
        if due():
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
            _die()

    if moment == "in a step":
        training.cross_entropy = before(training.cross_entropy)
    elif moment == "in the validation":
        fitting.evaluate = _die_inside(fitting.evaluate)
    elif moment == "half a checkpoint":
        checkpoints.os.fsync = truncate
    elif moment == "before the old one is replaced":
        Path.replace = before(Path.replace)
    elif moment == "after the old one is replaced":
        Path.replace = after(Path.replace)


def _die_inside(evaluate):
    def evaluate_one(model, batches, **options):
        evaluate(model, [next(iter(batches))], **options)
        _die()

    return evaluate_one
