"""The holders' vote: what it can decide, what was proposed, where each proposal stands, and the commands for it."""
