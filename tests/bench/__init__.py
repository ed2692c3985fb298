"""Measurements side by side with a peer in one run: ``make bench [BENCH=name]``.

CPU time, and ratios of it: absolute times say little on a machine that others use too.
"""
