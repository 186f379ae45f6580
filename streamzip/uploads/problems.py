"""The problems of requests about uploaded files, in the same words wherever the files lie."""

from streamzip.errors import Conflict, NotFound


def no_file() -> NotFound:
    """Return the problem of a name that no file has."""
    return NotFound("there is no uploaded file of this name")


def name_taken(name: str) -> Conflict:
    """Return the problem of a name that a file has."""
    return Conflict(
        f"there is a file of the name {name} already; rename yours, or delete that one first", code="name_taken"
    )


def in_use() -> Conflict:
    """Return the problem of a file that is to be deleted and still needed."""
    return Conflict(
        "an archive that is not finished needs this file; download that archive, or delete it, first",
        code="upload_in_use",
    )
