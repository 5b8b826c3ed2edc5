"""Repeat one case, and let Hypothesis find a simpler one that fails alike."""

import traceback

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase

from tests.fuzz.source import SIZE, Source, make_bytes
from tests.fuzz.worker import find_case, set_up


def repeat(target, seed, number):
    """Run a case; return a text about it, and whether it failed."""
    set_up()
    case, data = find_case(target), make_bytes(seed, target, number)
    fault, text = try_case(case, data)
    if fault:
        simpler = shrink(case, data)
        text += f"\n\nA simpler case:\n\n{try_case(case, simpler)[1]}"
    return text, fault is not None


def shrink(case, data):
    """Return fewer and smaller bytes of which the case fails alike."""
    fault, _ = try_case(case, data)
    simplest = [data]

    @settings(
        database=InMemoryExampleDatabase(),
        deadline=None,
        derandomize=False,
        phases=[Phase.reuse, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(st.binary(min_size=SIZE, max_size=SIZE))
    def holds(some):
        if try_case(case, some)[0] == fault:
            simplest[0] = some
            raise AssertionError

    # The first keeps the bytes that fail, and the second starts from them.
    for run in (lambda: holds.hypothesis.fuzz_one_input(data), holds):
        try:
            run()
        except AssertionError:
            continue
    return simplest[0]


def try_case(case, data):
    """Return the kind and place of a fault, if any, and what happened."""
    source, fault = Source(data), None
    try:
        text = "accepted" if case(source) else "refused"
    except Exception as error:  # noqa: BLE001 - that is what it looks for
        last = traceback.extract_tb(error.__traceback__)[-1]
        fault, text = (type(error), last[:2]), traceback.format_exc()
    notes = [f"{name} = {value!r}" for name, value in source.notes.items()]
    return fault, "\n".join([*notes, "", text])
