"""Benchmarks of the prescriptions: whole scripts end to end."""
