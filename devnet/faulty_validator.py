"""A validator that lies, for fault runs: it falsifies receive times, or computes with another reward constant.

`python -m devnet.faulty_validator --network F --directory D --listen H:P --receive-skew-ms N --reward-constant NAME=V`
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click

from validator.clock import Clock, SystemClock
from validator.command import start
from validator.daemon import real_ports
from validator.rules import NetworkRules


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """A clock that is wrong by a fixed amount."""

    skew_ms: int
    true: Clock

    def now_ms(self) -> int:
        return self.true.now_ms() + self.skew_ms


def with_reward_constant(rules: NetworkRules, name: str, value: int) -> NetworkRules:
    """The rules with one reward constant changed, and everything else, hashes included, as it was."""
    return replace(rules, params=replace(rules.params, rewards=replace(rules.params.rewards, **{name: value})))


@click.command()
@click.option("--network", required=True)
@click.option("--directory", type=click.Path(path_type=Path), required=True)
@click.option("--listen", required=True)
@click.option("--files", type=click.Path(path_type=Path))
@click.option("--receive-skew-ms", type=int, default=0)
@click.option("--reward-constant", default="")
def main(
    network: str, directory: Path, listen: str, files: Path | None, receive_skew_ms: int, reward_constant: str
) -> None:
    """Runs until a signal, like any validator."""
    ports = replace(real_ports(), receive_clock=SkewedClock(receive_skew_ms, SystemClock()))
    if reward_constant:
        name, _, value = reward_constant.partition("=")
        ports = replace(ports, bend_rules=lambda rules: with_reward_constant(rules, name, int(value)))
    start(ports, directory=directory, network=network, listen=listen, files=files)


if __name__ == "__main__":
    main()
