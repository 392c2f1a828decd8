# SPDX-License-Identifier: GPL-2.0-or-later
"""Gives up what the process does not need once its socket is open: user, groups, capabilities, and ever gaining any."""

from __future__ import annotations

import ctypes
import os
import pwd

PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 8, 24, 38
CAPABILITY_VERSION_3 = 0x20080522
CAP_NET_ADMIN = 12
LAST_CAPABILITY = 63


class PrivilegeError(Exception):
    """A privilege could not be dropped, or the user is not known; the message is a sentence."""


def drop(user: str | None, keep: frozenset[int] = frozenset()) -> None:
    """Becomes `user` (None: stays who it is), keeps only the capabilities named, and can gain none afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    for one in range(LAST_CAPABILITY + 1):
        if one not in keep:
            libc.prctl(PR_CAPBSET_DROP, one, 0, 0, 0)  # refused without CAP_SETPCAP, which then matters to nobody
    if user is not None and os.geteuid() == 0:
        _call(libc.prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0)
        _become(user)
    _set_capabilities(libc, sum(1 << one for one in keep))
    _call(libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _become(name: str) -> None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise PrivilegeError(f"There is no user {name}. Choose one with --user.") from error
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def _set_capabilities(libc: ctypes.CDLL, wanted: int) -> None:
    """Effective and permitted: those wanted of those held; inheritable: none."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    held = (ctypes.c_uint32 * 6)()
    _call(libc.capget, header, held)
    low, high = held[1] & wanted, held[4] & wanted >> 32  # two words of (effective, permitted, inheritable)
    _call(libc.capset, header, (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0))


def _call(function: ctypes._NamedFuncPointer, *arguments: object) -> None:
    if function(*arguments) != 0:
        raise PrivilegeError(f"Cannot drop privileges: {os.strerror(ctypes.get_errno())}.")
