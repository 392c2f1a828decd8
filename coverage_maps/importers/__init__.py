"""Any file of positions with dBm to canonical baseline rows (rewards.md 0). Outside consensus; anyone can repeat it."""
