"""A hotspot's identity: one P-256 key, in a file, in an encrypted file or in a token, and what is signed with it.

`device` is the key as the rest of the program sees it, `place` finds and makes it in a hotspot's directory, `sealed` is
the encrypted file, `token` the PKCS#11 one, `passphrase` says what opens them.
"""

from hotspot.keys.device import DeviceKey, KeyProblemError
from hotspot.keys.place import KEY_FILE, SEALED_FILE, TOKEN_FILE, create, exists, load

__all__ = ["KEY_FILE", "SEALED_FILE", "TOKEN_FILE", "DeviceKey", "KeyProblemError", "create", "exists", "load"]
