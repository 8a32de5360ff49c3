"""Damage files at random and see what reading them does: ``python -m benchmarks.fuzzing``.

Every damaged file must be read, or be refused in one sentence. Anything else is a finding: another
exception, a process that dies, hangs, or fills the memory.
"""
