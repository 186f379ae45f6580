"""Column types that the databases spell differently."""

from typing import Final

from sqlalchemy import BigInteger, Integer, Text

# Compared byte by byte: as a language sorts words is slower, and may change with the machine's C library.
HASH: Final = Text().with_variant(Text(collation="C"), "postgresql")

# SQLite counts up by itself only what is declared INTEGER, which has 64 bits there.
ROW_ID: Final = BigInteger().with_variant(Integer, "sqlite")
