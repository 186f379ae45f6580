"""Work that survives restarts."""
