"""web3 and its relatives, imported without their side effect. Everything of theirs is imported from here.

One of them (py_ecc) raises the interpreter's recursion limit to 100,000 when it is imported. With that limit a peer's
deeply nested JSON no longer ends in a RecursionError but overflows the stack and ends the process. web3 also takes a
second to import: import this module inside functions.
"""

from __future__ import annotations

import sys

_LIMIT = sys.getrecursionlimit()

import rlp  # noqa: E402
from eth_abi.exceptions import DecodingError  # noqa: E402
from eth_account import Account  # noqa: E402
from web3 import HTTPProvider, Web3  # noqa: E402
from web3.exceptions import ContractLogicError, TimeExhausted, Web3Exception  # noqa: E402
from web3.providers.base import JSONBaseProvider  # noqa: E402
from web3.types import RPCEndpoint, RPCResponse  # noqa: E402

sys.setrecursionlimit(_LIMIT)

__all__ = [
    "Account",
    "ContractLogicError",
    "DecodingError",
    "HTTPProvider",
    "JSONBaseProvider",
    "RPCEndpoint",
    "RPCResponse",
    "TimeExhausted",
    "Web3",
    "Web3Exception",
    "rlp",
]
