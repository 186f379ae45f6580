"""The safe outbound network: which addresses may be dialled, and the transport that holds to it."""
