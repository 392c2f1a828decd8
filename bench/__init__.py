"""Benchmarks: each prints what is possible on this machine, what the product does, and the ratio, in one run."""
