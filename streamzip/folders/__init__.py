"""A folder of this machine as an archive."""
