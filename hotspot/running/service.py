"""systemd's side: readiness, a status line and the watchdog over sd_notify, and the unit that runs the hotspot.

Without NOTIFY_SOCKET, that is outside systemd, nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Protocol

LONGEST_INTERVAL_S = 10.0


class Watched(Protocol):
    """The process, as far as systemd is told of it."""

    @property
    def state(self) -> str: ...

    @property
    def waiting_for(self) -> str: ...


def notify(message: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Sends one sd_notify message; False outside systemd."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.sendto(message.encode(), target)
    except OSError:
        return False
    return True


def watchdog_interval_s(environ: Mapping[str, str] = os.environ) -> float:
    """How often systemd wants to hear of us: half its patience, 10 s at most."""
    patience_us = environ.get("WATCHDOG_USEC", "")
    if not re.fullmatch("[0-9]{1,15}", patience_us) or int(patience_us) == 0:
        return LONGEST_INTERVAL_S
    return min(int(patience_us) / 2_000_000, LONGEST_INTERVAL_S)


@contextlib.asynccontextmanager
async def notifying(process: Watched, environ: Mapping[str, str] = os.environ) -> AsyncIterator[None]:
    """Says READY once, and every few seconds that the loop still turns and what it waits for."""
    if not notify(f"READY=1\nSTATUS={_line(process)}", environ):
        yield
        return
    beat = asyncio.ensure_future(_beat(process, environ))
    try:
        yield
    finally:
        beat.cancel()
        notify("STOPPING=1", environ)


async def _beat(process: Watched, environ: Mapping[str, str]) -> None:
    while True:
        await asyncio.sleep(watchdog_interval_s(environ))
        notify(f"WATCHDOG=1\nSTATUS={_line(process)}", environ)


def _line(process: Watched) -> str:
    return process.state + (f": {process.waiting_for}" if process.waiting_for else "")


# --- the unit -----------------------------------------------------------------------------------------------------

UNIT = """\
[Unit]
Description=Farfield hotspot in $home
Documentation=man:systemd.exec(5)
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=$command
WatchdogSec=60
Restart=on-failure
RestartSec=10
TimeoutStartSec=120
TimeoutStopSec=60
CacheDirectory=farfield
$account
# It talks UDP and TCP and writes its own directory; it needs nothing else of this machine.
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths=$quoted_home
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
MemoryMax=400M
TasksMax=64
UMask=0077

[Install]
WantedBy=$target
"""


def unit(
    executable: Sequence[str],
    home: Path,
    account: str | None,
    *,
    uses_devices: bool = False,
    passphrase_file: Path | None = None,
) -> str:
    """A unit that runs a hotspot's directory; `account` None makes one for a user's own systemd.

    `uses_devices`: it reads a serial receiver or a token. `passphrase_file`: what opens its key; systemd reads it.
    """
    own = [] if account is None else [f"User={account}"]
    if account is not None and not uses_devices:
        own.append("PrivateDevices=yes")
    if passphrase_file is not None:
        own.append(f"LoadCredential=device-passphrase:{_quoted(str(passphrase_file))}")
    command = " ".join(_quoted(one) for one in (*executable, "hotspot", "run", "--directory", str(home)))
    return Template(UNIT).substitute(
        home=home,
        quoted_home=_quoted(str(home)),
        command=command,
        account="".join(f"{line}\n" for line in own),
        target="default.target" if account is None else "multi-user.target",
    )


def _quoted(text: str) -> str:
    """One word of a unit file."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(one in text for one in " '\"\\;") else escaped
