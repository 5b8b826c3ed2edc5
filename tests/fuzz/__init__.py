"""Fuzzing: many small cases, each a plain function of its number.

A case is built from a string of bytes, which follows from the seed, the
target and the case's number. Most of the input is right; the rest is broken
in one place. What is right must give a right result, by an oracle that shares
no code with the package; what is broken must be refused with a ValueError or
TypeError that names an argument. All else is a finding: another exception, a
warning, a changed argument, a crash, a case that takes too long.

``python -m tests.fuzz --help`` shows the command, ``make fuzz`` runs it.
"""
