"""Faults a devnet can be told to have: `kill=2@2`, `start=3@3`, `skew=3:+30s`, `constant=4:full_owners=1`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devnet.layout import VALIDATORS

KILL_INTO_EPOCH_MS = 20_000
START_INTO_EPOCH_MS = 20_000
NUMBERS = r"(\d+(?:,\d+)*)"
FORMS = "kill=N[,N]@EPOCH, start=N[,N]@EPOCH, skew=N:+SECONDSs, constant=N:NAME=VALUE"


class FaultError(ValueError):
    """A fault that cannot be understood; the message says what can."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Validators killed or started in an epoch."""

    action: str
    validators: tuple[int, ...]
    epoch: int

    @property
    def into_epoch_ms(self) -> int:
        return KILL_INTO_EPOCH_MS if self.action == "kill" else START_INTO_EPOCH_MS

    @property
    def text(self) -> str:
        numbers = " and ".join(str(number) for number in self.validators)
        return f"{'SIGKILL' if self.action == 'kill' else 'start'} of validator {numbers} in epoch {self.epoch}"


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
        if match := re.fullmatch(rf"(kill|start)={NUMBERS}@(\d+)", text):
            numbers = tuple(_validator(number, text) for number in match[2].split(","))
            timed.append(Timed(match[1], numbers, int(match[3])))
        elif match := re.fullmatch(r"skew=(\d+):([+-]?\d+)s", text):
            skews.append((_validator(match[1], text), int(match[2]) * 1_000))
        elif match := re.fullmatch(r"constant=(\d+):([a-z_]+)=(\d+)", text):
            constants.append((_validator(match[1], text), match[2], int(match[3])))
        else:
            raise FaultError(f"{text!r} is no fault. Write one of: {FORMS}.")
    return Faults(tuple(timed), tuple(skews), tuple(constants))


def _validator(text: str, fault: str) -> int:
    number = int(text)
    if not 1 <= number <= VALIDATORS:
        raise FaultError(f"{fault!r}: validators are numbered 1 to {VALIDATORS}.")
    return number
