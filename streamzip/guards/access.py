"""Who may ask: the kinds that the table of operations gives each of them. auth.py holds requests to it.

An operation without one cannot be written down, so nothing is open because somebody forgot to close it.
"""

from enum import Enum, auto


class Access(Enum):
    """Who is let in where API keys are set, or links are to be signed; without either, everybody."""

    OPEN = auto()  # everybody; a hash that is asked for must be known
    LINK = auto()  # whoever has the link, which must be signed where links are
    STATUS = auto()  # where links are signed: whoever has the archive's link, or this path's, or as DELETER
    KEY = auto()  # any API key
    PAGE = auto()  # any API key, or the session of a person, who is asked for a key
    OWNER = auto()  # the API key that created the archive
    PAGE_OWNER = auto()  # as OWNER, or the session of the person whose key it is
    PAGE_DELETER = auto()  # as PAGE_OWNER; where no keys are set, the browser that created the archive
    ADMIN = auto()  # an admin key; nobody where none is set
    DELETER = auto()  # as OWNER; where no keys are set, whoever has the archive's delete token
