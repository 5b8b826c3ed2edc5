"""A text classifier, from its data to its command line: ``train.py``."""
