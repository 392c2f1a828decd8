"""The signing key's file; what it is and how it is read is chain.key_files'."""

from __future__ import annotations

from chain.key_files import KeyFileError, create_key, load_key

__all__ = ["KeyFileError", "create_key", "load_key"]
