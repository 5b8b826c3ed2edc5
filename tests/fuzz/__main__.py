"""``python -m tests.fuzz``: run many cases, or one of them again."""

import argparse
import os
import sys
import time

from tests.fuzz.runner import LIMIT, SHARES, Tally, run, share_out
from tests.fuzz.single import repeat

_SHOWN = 5


def main():
    arguments = parse()
    targets = arguments.targets or [*SHARES]
    if arguments.case is not None:
        text, failed = repeat(targets[0], arguments.seed, arguments.case)
        print(text)
        return int(failed)
    start = time.perf_counter()
    counts = share_out(arguments.cases, targets)
    tallies = run(counts, arguments.seed, arguments.processes, arguments.limit)
    seconds = time.perf_counter() - start
    print_table(tallies, seconds)
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


def print_table(tallies, seconds):
    """Print what each target has come to; the last line is the sum."""
    whole = Tally()
    for tally in tallies.values():
        whole.cases += tally.cases
        whole.accepted += tally.accepted
        whole.refused += tally.refused
        whole.findings += tally.findings
    whole.seconds = seconds
    print(f"{'target':<9}{'cases':>10}{'accepted':>10}", end="")
    print(f"{'refused':>10}{'findings':>10}{'seconds':>9}")
    for name, tally in [*tallies.items(), ("all", whole)]:
        print(
            f"{name:<9}{tally.cases:>10,}{tally.accepted:>10,}"
            f"{tally.refused:>10,}{len(tally.findings):>10,}"
            f"{tally.seconds:>9,.0f}"
        )


if __name__ == "__main__":
    sys.exit(main())
