"""All rows of all callables."""

from __future__ import annotations

from bad_input import costs, networks, packings, raggeds
from bad_input.cases import Cases

TABLE: list[Cases] = [*costs.TABLE, *networks.TABLE, *packings.TABLE, *raggeds.TABLE]

# No argument of these can be bad: they take none, or anything.
NOTHING_TO_REFUSE: dict[str, str] = {}
