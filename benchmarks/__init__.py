"""The speed claims, each a command: `make bench`, or `python -m benchmarks --help`."""
