"""A process that sends for a test, and can be told to die at any step: `python -m tests.chain.sending JSON`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chain.calls import Call
from chain.journal import Journal
from chain.network import load
from chain.reader import ChainReader
from chain.sender import Sender
from protocol.ids import Address


def main(order: dict[str, Any]) -> None:
    """Sends every call and waits for all of them; prints the hashes of what became final."""
    reader = ChainReader(load(order["network"]))
    sender = Sender(reader, bytes.fromhex(order["key"]), Path(order["journal"]), stall_after_s=order["stall_after_s"])
    if order.get("die"):
        _die_at(reader, *order["die"])
    sender.recover()
    calls = [Call(name, Address(bytes.fromhex(to)), bytes.fromhex(data), "test") for name, to, data in order["calls"]]
    sent = [sender.send(call) for call in calls]
    json.dump([sender.wait(one, order["wait_s"]).hash.hex() for one in sent], sys.stdout)


def _die_at(reader: ChainReader, when: str, step: str, occasion: int) -> None:
    """This process gets SIGKILL before or after the nth time that it comes to a step."""
    owner: Any = Journal if hasattr(Journal, step) else reader.rpc.provider
    name = step if owner is Journal else "make_request"
    original: Callable[..., Any] = getattr(owner, name)
    count = 0

    def killing(*arguments: Any) -> Any:
        nonlocal count
        mine = owner is Journal or arguments[0] == step
        count += mine
        due = mine and count == occasion
        if due and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, killing)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
