"""``python -m tests.fuzz``: run many cases, or one of them again."""

import argparse
import os
import sys
import time

from tests.fuzz.runner import LIMIT, SHARES, Tally, run, share_out
from tests.fuzz.single import repeat

_SHOWN = 5
_MINUTE = 60.0


def main():
    arguments = parse()
    targets = arguments.targets or [*SHARES]
    if arguments.case is not None:
        text, failed = repeat(targets[0], arguments.seed, arguments.case)
        print(text)
        return int(failed)
    progress = Progress()
    tallies = run(
        share_out(arguments.cases, targets),
        arguments.seed,
        arguments.processes,
        arguments.limit,
        on_wait=progress.show,
    )
    print_table(tallies)
    print(f"{progress.seconds():,.0f} s by the clock")
    for target, tally in tallies.items():
        for number, text in sorted(tally.findings)[:_SHOWN]:
            print(
                f"\n{text[:1000]}\n    python -m tests.fuzz {target} "
                f"--seed {arguments.seed} --case {number}"
            )
    return int(any(tally.findings for tally in tallies.values()))


def parse():
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Run generated cases and hold them against an oracle.",
    )
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(SHARES)}"
    )
    parser.add_argument("--cases", type=int, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--case", type=int, metavar="N", help="one case, with all that it was"
    )
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, metavar="N"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=LIMIT,
        metavar="SECONDS",
        help="what takes longer is taken to hang",
    )
    arguments = parser.parse_args()
    if arguments.case is not None and len(arguments.targets) != 1:
        parser.error("--case needs one TARGET")
    return arguments


class Progress:
    """Say once a minute how far it is, to who waits."""

    def __init__(self):
        self._start = self._last = time.perf_counter()

    def seconds(self):
        return time.perf_counter() - self._start

    def show(self, tallies):
        if time.perf_counter() - self._last < _MINUTE:
            return
        self._last = time.perf_counter()
        cases = sum(tally.cases for tally in tallies.values())
        findings = sum(len(tally.findings) for tally in tallies.values())
        print(
            f"{self.seconds():,.0f} s: {cases:,} cases, {findings} findings",
            file=sys.stderr,
            flush=True,
        )


def print_table(tallies):
    """Print what each target has come to; the last line is the sum."""
    whole = Tally()
    for tally in tallies.values():
        whole.cases += tally.cases
        whole.accepted += tally.accepted
        whole.refused += tally.refused
        whole.findings += tally.findings
        whole.seconds += tally.seconds
    print(f"{'target':<9}{'cases':>10}{'accepted':>10}", end="")
    print(f"{'refused':>10}{'findings':>10}{'CPU s':>9}")
    for name, tally in [*tallies.items(), ("all", whole)]:
        print(
            f"{name:<9}{tally.cases:>10,}{tally.accepted:>10,}"
            f"{tally.refused:>10,}{len(tally.findings):>10,}"
            f"{tally.seconds:>9,.0f}"
        )


if __name__ == "__main__":
    sys.exit(main())
