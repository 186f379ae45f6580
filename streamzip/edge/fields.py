"""Header fields that many answers have."""

from typing import Final

NO_STORE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
