"""Faults a devnet can be told to have: `kill=2@2`, `start=3@3`, `skew=3:+30s`, `constant=4:full_owners=1`,
`reorg=3@2`, `outage=60s@2`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devnet.layout import VALIDATORS

INTO_EPOCH_MS = {"kill": 20_000, "start": 20_000, "reorg": 16_000, "outage": 30_000}
"""When a fault comes: a reorganisation while manifests are posted, an outage across the epoch's end."""
MAX_REORG_BLOCKS = 64
MAX_OUTAGE_S = 300
NUMBERS = r"([0-9]{1,3}(?:,[0-9]{1,3})*)"
FORMS = (
    "kill=N[,N]@EPOCH, start=N[,N]@EPOCH, skew=N:+SECONDSs, constant=N:NAME=VALUE, reorg=BLOCKS@EPOCH, "
    "outage=SECONDSs@EPOCH"
)


class FaultError(ValueError):
    """A fault that cannot be understood; the message says what can."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Something that happens in an epoch: to validators, or to the chain's node."""

    action: str
    """kill or start (validators), reorg or outage (the chain)."""
    epoch: int
    validators: tuple[int, ...] = ()
    amount: int = 0
    """Blocks replaced by others, or seconds without an answer."""

    @property
    def into_epoch_ms(self) -> int:
        return INTO_EPOCH_MS[self.action]

    @property
    def text(self) -> str:
        numbers = " and ".join(str(number) for number in self.validators)
        what = {
            "kill": f"SIGKILL of validator {numbers}",
            "start": f"start of validator {numbers}",
            "reorg": f"the chain's last {self.amount} blocks are replaced by others without their transactions",
            "outage": f"the chain's node does not answer for {self.amount} s",
        }
        return f"{what[self.action]} in epoch {self.epoch}"


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, and where."""

    timed: tuple[Timed, ...] = ()
    skews_ms: tuple[tuple[int, int], ...] = ()
    """(validator, milliseconds its receive times are falsified by)."""
    constants: tuple[tuple[int, str, int], ...] = ()
    """(validator, reward constant, value it computes with)."""

    def options(self, validator: int) -> list[str]:
        """Arguments of devnet.faulty_validator; empty for an honest one."""
        skews = [f"--receive-skew-ms={skew_ms}" for number, skew_ms in self.skews_ms if number == validator]
        bent = [f"--reward-constant={name}={value}" for number, name, value in self.constants if number == validator]
        return skews + bent


def parse(texts: tuple[str, ...]) -> Faults:
    """The faults in --fault options; FaultError names the one that is wrong."""
    timed, skews, constants = [], [], []
    for text in texts:
        if match := re.fullmatch(rf"(kill|start)={NUMBERS}@([0-9]{{1,9}})", text):
            numbers = tuple(_validator(number, text) for number in match[2].split(","))
            timed.append(Timed(match[1], int(match[3]), numbers))
        elif match := re.fullmatch(r"reorg=([0-9]{1,9})@([0-9]{1,9})", text):
            depth = _within(int(match[1]), MAX_REORG_BLOCKS, "blocks", text)
            timed.append(Timed("reorg", int(match[2]), amount=depth))
        elif match := re.fullmatch(r"outage=([0-9]{1,9})s@([0-9]{1,9})", text):
            seconds = _within(int(match[1]), MAX_OUTAGE_S, "seconds", text)
            timed.append(Timed("outage", int(match[2]), amount=seconds))
        elif match := re.fullmatch(r"skew=([0-9]{1,3}):([+-]?[0-9]{1,9})s", text):
            skews.append((_validator(match[1], text), int(match[2]) * 1_000))
        elif match := re.fullmatch(r"constant=([0-9]{1,3}):([a-z_]+)=([0-9]{1,18})", text):
            constants.append((_validator(match[1], text), match[2], int(match[3])))
        else:
            raise FaultError(f"{text!r} is no fault. Write one of: {FORMS}.")
    return Faults(tuple(timed), tuple(skews), tuple(constants))


def _validator(text: str, fault: str) -> int:
    number = int(text)
    if not 1 <= number <= VALIDATORS:
        raise FaultError(f"{fault!r}: validators are numbered 1 to {VALIDATORS}.")
    return number


def _within(value: int, most: int, unit: str, fault: str) -> int:
    if not 1 <= value <= most:
        raise FaultError(f"{fault!r}: between 1 and {most} {unit}.")
    return value
