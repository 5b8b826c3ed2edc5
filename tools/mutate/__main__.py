"""Test the tests: change the package in small ways, and see them fail.

python -m tools.mutate              the modules that are out of date
python -m tools.mutate packed       one module
python -m tools.mutate --table      only what is stored
"""

from __future__ import annotations

import argparse
import time

from tools.mutate import results, runs


def main() -> None:
    """Run what was asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="*", choices=[[], *results.modules()])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    stored = results.load_all()
    if not asked.table:
        for module in asked.modules or results.modules():
            known = stored.get(module)
            if not asked.modules and known and results.is_current(known):
                continue
            start = time.monotonic()
            print(f"{module} ...", end=" ", flush=True)
            result = runs.measure(module, asked.processes)
            results.store(result)
            seconds = time.monotonic() - start
            print(f"{result.mutants} mutants in {seconds:.0f} s")
            stored[module] = result
            for problem in results.problems(result):
                print(f"  {problem}")
    print(results.table(dict(sorted(stored.items()))))


if __name__ == "__main__":
    main()
