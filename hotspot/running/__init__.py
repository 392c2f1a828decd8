"""The process: its ports, what it starts from, and systemd's side of it."""
