"""Solidity sources and the committed artifacts (ABI and bytecode)."""
