"""Building Farfield's hotspot as one file: `make binary`."""
