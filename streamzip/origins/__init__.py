"""Where bytes come from: one port, a source for each scheme, attempts that are never spliced."""
