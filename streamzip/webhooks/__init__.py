"""A feature: receivers are told of archives."""
