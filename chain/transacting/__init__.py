"""What every command that sends transactions shares: its options, what it prints, how it waits, and its exit codes."""
