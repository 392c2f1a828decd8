"""gRPC, and nothing else: checks fields, turns messages into values and back. No rule lives here."""
