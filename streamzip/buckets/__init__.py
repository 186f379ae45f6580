"""A feature: objects of private buckets that the operator listed, as sources, and prefixes of them as entries."""
