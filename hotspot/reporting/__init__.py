"""Reports on their way: stored, told to every validator, acknowledged or too late, and judged."""
