"""Many gateways, simulated: what their archives, caches and deaths do to origins, buckets and PostgreSQL.

`model.py` is pure and counts; `limits.py` makes loads of the counts, by the costs that were measured (`costs.toml`).
"""
