"""Run cases in a process of its own, which may crash or hang."""

import faulthandler
import importlib
import logging
import os
import sys
import time
import traceback
import warnings

import torch

from tests.fuzz.source import Source, make_bytes

# What a worker shows of itself while it runs.
NUMBER, ACCEPTED, REFUSED, NANOSECONDS = range(4)


def set_up():
    """Make warnings errors, and use one thread: the tensors are tiny."""
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    # One line, when the first nested tensor is made of values and offsets.
    logging.getLogger("torch.fx").setLevel(logging.ERROR)


def find_case(target):
    return importlib.import_module(f"tests.fuzz.{target}").case


def work(pipe, shown):
    """Run what comes through the pipe: target, seed, first and last case."""
    set_up()
    faulthandler.enable()
    # A crash shows itself by the exit status; its output would be mixed.
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    while (task := pipe.recv()) is not None:
        target, seed, first, last = task
        case = find_case(target)
        for number in range(first, last):
            start = time.process_time_ns()
            shown[NUMBER] = number
            source = Source(make_bytes(seed, target, number))
            try:
                shown[ACCEPTED if case(source) else REFUSED] += 1
            except Exception as error:  # noqa: BLE001 - that is what it is for
                text = traceback.format_exception_only(error)[-1].strip()
                pipe.send((target, number, f"{text}\n{source.notes}"))
            shown[NANOSECONDS] += time.process_time_ns() - start
        pipe.send(None)
