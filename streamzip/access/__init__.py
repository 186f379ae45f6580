"""The secrets and what they sign: API keys, sessions, links, documents. No I/O."""
