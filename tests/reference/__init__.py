"""A second, slow reading of the rules, written from the design's text alone.

Plain values in, plain values out: fractions, decimals, dictionaries and loops. Nothing here may import `protocol`,
except the names in `protocol.reasons` and the bounds in `protocol.limits`. Property tests hold both readings equal.
"""
