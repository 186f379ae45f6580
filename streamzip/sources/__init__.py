"""WHERE bytes come from: one port (base), one adapter a scheme."""
