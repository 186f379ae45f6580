"""Facts that must survive: manifests, plans, jobs."""
