"""How fast phys_gan is on this machine, against what; each module runs with ``python -m``."""
