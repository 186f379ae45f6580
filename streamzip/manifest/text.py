"""Text of clients and origins, brought into a normal form in time that grows with its length alone. Pure.

Python sorts the combining marks that follow one letter by insertion, in the square of their number: 64 kB of them take
seconds. No writing system needs more than a few, so a run is cut at the 30 of Unicode's Stream-Safe Text Format
(UAX #15, D3 and D4) before anything is normalised.
"""

from functools import lru_cache
from unicodedata import combining, normalize

MOST_MARKS = 30
# No character decomposes into more than three marks (a test asks all of them), so that a longer run of marks has at
# least ten characters, and every eighth of a text meets it.
_STRIDE = 8


def nfc(text: str) -> str:
    """Return the text in NFC, each run of combining marks cut at 30."""
    return normalize("NFC", stream_safe(text))


def caseless(text: str) -> str:
    """Return the key that two names share where a file system may take them for one (Unicode §3.13, D145).

    `text`: stream-safe, or short: at most some hundred characters.
    """
    return normalize("NFC", normalize("NFD", text).casefold())


def stream_safe(text: str) -> str:
    """Return the text with each run of more than 30 combining marks cut at 30; any other text as it is.

    Marks are counted as in NFD, so that no normalisation makes a run longer.
    """
    if text.isascii() or not any(_marks(char)[0] for char in text[_STRIDE - 1 :: _STRIDE]):
        return text
    kept, run = [], 0
    for char in text:
        leading, trailing = _marks(char)
        run = run + leading if leading else trailing
        if run <= MOST_MARKS:
            kept.append(char)
    return text if len(kept) == len(text) else "".join(kept)


@lru_cache(maxsize=4096)
def _marks(char: str) -> tuple[int, int]:
    """Return how many marks the character is, and how many follow its letter if it holds one, as in NFD."""
    decomposed = normalize("NFD", char)
    marks = sum(1 for each in decomposed if combining(each))
    return (marks, 0) if combining(decomposed[0]) else (0, marks)
