"""Which release this is."""

from typing import Final

VERSION: Final = "0.1.0"  # as pyproject.toml has it; to ask the installed package's metadata takes 30 ms
