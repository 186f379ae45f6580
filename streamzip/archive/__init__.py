"""HOW the zip lies and flows: plan, layout, records, pulls and readers."""
