"""Secret files: written once, readable by their owner alone, in directories where nobody else can replace them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hotspot.files import sync_directory
from hotspot.keys.device import KeyProblemError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
MAX_BYTES = 16 * 1024


def write_new(path: Path, data: bytes) -> None:
    """Makes a file (0600, synced, and its directory too); KeyProblemError if there is one or it cannot be written."""
    check_directory(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise KeyProblemError(f"{path} exists and is not replaced.") from error
    except OSError as error:
        raise KeyProblemError(f"Cannot write {path}: {error.strerror}. Choose a directory you may write to.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeyProblemError(f"Cannot write {path}: {error.strerror}. Make room on the disk and try again.") from error


def read(path: Path) -> bytes:
    """A secret file's bytes; FileNotFoundError, or KeyProblemError when others could read or replace it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise KeyProblemError(f"{path} is not a file.")
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyProblemError(f"Cannot read {path}: {error.strerror}.") from error
    if mode & OTHERS:
        raise KeyProblemError(f"{path} can be read by other users; run `chmod 600 {path}` and try again.")
    check_directory(path)
    if len(data) > MAX_BYTES:
        raise KeyProblemError(f"{path} is too large to hold a key; restore it from your backup.")
    return data


def check_directory(path: Path) -> None:
    """KeyProblemError if other users could put another file in the place of this one."""
    directory = path.absolute().parent
    try:
        mode = directory.stat().st_mode
    except OSError as error:
        raise KeyProblemError(f"Cannot use {directory}: {error.strerror}.") from error
    if mode & OTHERS_WRITE and not mode & stat.S_ISVTX:
        raise KeyProblemError(
            f"Other users may write in {directory} and so replace your key; run `chmod go-w {directory}` and try again."
        )
