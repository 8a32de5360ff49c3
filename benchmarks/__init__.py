"""How fast phys_gan is on this machine, relative to what: ``python -m benchmarks.NAME --help``."""
