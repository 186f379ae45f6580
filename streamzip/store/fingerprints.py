"""That all gateways of a store sign with the same secrets: each notes what its own look like before it serves.

Links, stored documents and webhooks of one would be refused by another whose secrets differ, long after the start.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, insert, select

from streamzip.config import SetupError, variable
from streamzip.store.tables import fingerprints


def agree(connection: Connection, setting: str, own: Mapping[str, str], *, now: float) -> None:
    """Note the fingerprint of the secret that signs, the first of `own` (by its id), unless it stands there.

    `now`: epoch s. To be called by one gateway at a time. Raises SetupError where another gateway has another secret
    of the same id, or signs with one that is not among these.
    """
    query = select(fingerprints.c.key_id, fingerprints.c.fingerprint).where(fingerprints.c.purpose == setting)
    noted = list(connection.execute(query.order_by(fingerprints.c.noted_at)))
    for key_id, fingerprint in noted:
        if own.get(key_id, fingerprint) != fingerprint:
            raise SetupError(
                f"{variable(setting)}: the secret {key_id} is another one than on the store's other gateways"
            )
    if noted and noted[-1].key_id not in own:
        raise SetupError(
            f"{variable(setting)} lacks the secret {noted[-1].key_id}, with which other gateways of this store sign: "
            "add it, behind your own where yours is newer; where it is not set, each data folder has one of its own"
        )
    current = next(iter(own))
    if current not in {key_id for key_id, _ in noted}:
        row = {"purpose": setting, "key_id": current, "fingerprint": own[current], "noted_at": now}
        connection.execute(insert(fingerprints), row)
