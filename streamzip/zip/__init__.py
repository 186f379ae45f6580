"""The zip format: records, the frozen layout, deflate in blocks. Knows no origin, no spool."""
