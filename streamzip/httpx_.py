"""httpx, for all of the package: what replaces it one day is named here, and nowhere else."""

import httpx

__all__ = ["httpx"]
