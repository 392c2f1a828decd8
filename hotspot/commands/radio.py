"""farfield hotspot radio: does the radio work, and what does it hear. Both ask the hotspot that runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import IO, Any

import click

from chain.terminal import FAILED, FINDINGS, UNREACHABLE, end, json_option, print_json
from hotspot.commands.shared import directory_option

MAX_SECONDS = 86_400
seconds_option = click.option(
    "--seconds", type=click.IntRange(1, MAX_SECONDS), default=60, show_default=True, help="How long to listen."
)


@click.group()
def radio() -> None:
    """What the radio hears; the hotspot must run, with or without a key."""


@radio.command("test")
@directory_option
@seconds_option
@json_option
def test_radio(directory: Path, seconds: int, as_json: bool) -> None:
    """Wait for the first frame and say what was heard. Exit code 3 when nothing was."""
    from hotspot.looking.frame_source import SourceError, frames
    from hotspot.looking.status_client import NotRunningError, ask

    started = time.monotonic()
    try:
        answer = ask(directory)
        first = next(frames(directory, seconds), None)
    except NotRunningError as error:
        end(str(error), UNREACHABLE)
    except SourceError as error:
        end(str(error), FAILED)
    alive = [one["eui"] for one in answer["forwarders"] if one["alive"]]
    waited_s = round(time.monotonic() - started, 1)
    if as_json:
        shown = None if first is None else first | {"payload": first["payload"].hex()}
        print_json({"forwarders": alive, "seconds": waited_s, "first_frame": shown})
    else:
        click.echo(f"{len(alive)} packet forwarders: {', '.join(alive) or 'none'}")
        click.echo(f"Nothing in {seconds} s." if first is None else f"First frame after {waited_s} s: {_line(first)}")
    if first is None:
        raise SystemExit(FINDINGS)


@radio.command("capture")
@directory_option
@seconds_option
@click.option("--pcap", type=click.Path(path_type=Path, dir_okay=False), help="Write a file for Wireshark (LoRaTap).")
@click.option("--count", type=click.IntRange(1), default=None, help="Stop after this many frames.")
@json_option
def capture(directory: Path, seconds: int, pcap: Path | None, count: int | None, as_json: bool) -> None:
    """Print every frame heard, or write them into a pcap file."""
    from hotspot.looking.frame_source import SourceError
    from hotspot.looking.status_client import NotRunningError

    try:
        if pcap is None:
            number = _capture(directory, seconds, count, None, as_json=as_json)
        else:
            with pcap.open("wb") as file:
                number = _capture(directory, seconds, count, file, as_json=as_json)
    except NotRunningError as error:
        end(str(error), UNREACHABLE)
    except SourceError as error:
        end(str(error), FAILED)
    except OSError as error:
        end(f"Cannot write {pcap}: {error.strerror}. Choose another file.", FAILED)
    except KeyboardInterrupt:
        return
    if not as_json:
        click.echo(f"{number} frames" + (f" in {pcap}" if pcap else ""))


def _capture(directory: Path, seconds: int, count: int | None, file: IO[bytes] | None, *, as_json: bool) -> int:
    from hotspot.looking import loratap
    from hotspot.looking.frame_source import frames

    number = 0
    if file is not None:
        file.write(loratap.file_header())
    for number, frame in enumerate(frames(directory, seconds), 1):
        if file is not None:
            file.write(loratap.record(frame["payload"], frame))
            file.flush()
        if as_json:
            print_json(frame | {"payload": frame["payload"].hex()}, indent=None)
        elif file is None:
            click.echo(_line(frame))
        if number == count:
            break
    return number


def _line(frame: dict[str, Any]) -> str:
    from hotspot.radio.kinds import kind_of

    at = time.strftime("%H:%M:%S", time.localtime(frame["received_at_ms"] / 1_000))
    return (
        f"{at}  {frame['frequency_hz'] / 1e6:.1f} MHz SF{frame['spreading_factor']}  "
        f"RSSI {frame['rssi_cdb'] / 100:g} dBm  SNR {frame['snr_cdb'] / 100:g} dB  {len(frame['payload'])} bytes  "
        f"{kind_of(frame['payload'])}"
    )
