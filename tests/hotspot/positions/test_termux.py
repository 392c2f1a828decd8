"""Termux: what `termux-location` prints, from a script that prints it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from hotspot.clock import SystemClock
from hotspot.positions.fix import Fix, NoFix, Trouble
from hotspot.positions.termux import Termux, answer_of, read_answer
from tests.hotspot.clocks import until

ANSWER = b"""{
  "latitude": 48.3984123, "longitude": 9.9915123, "altitude": 478.0, "accuracy": 4.5, "vertical_accuracy": 3.0,
  "bearing": 0.0, "speed": 0.0, "elapsedMs": 18, "provider": "gps"
}
"""


def test_reads_a_phones_answer() -> None:
    assert read_answer(ANSWER) == Fix(48.3984123, 9.9915123, 18)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", NoFix.LOST),
        (b'{"API_ERROR": "Failed to get location"}', NoFix.LOST),
        (b'{"error": "Location providers are off"}', NoFix.LOST),
        (ANSWER.replace(b"4.5", b"1800.0"), NoFix.INACCURATE),
        (ANSWER.replace(b"48.3984123", b"NaN"), NoFix.MALFORMED),
        (ANSWER.replace(b"48.3984123", b'"48"'), NoFix.MALFORMED),
        (b"Permission denied", NoFix.MALFORMED),
        (b"[]", NoFix.MALFORMED),
        (b"{}", NoFix.MALFORMED),
    ],
)
def test_an_answer_without_a_position_is_a_reason(data: bytes, reason: NoFix) -> None:
    assert read_answer(data) is reason


def test_asks_the_phone(tmp_path: Path) -> None:
    async def scene() -> None:
        (tmp_path / "answer").write_bytes(ANSWER)
        command = (sys.executable, "-c", f"print(open({str(tmp_path / 'answer')!r}).read())")
        readings: list[Fix | NoFix | Trouble] = []
        source = Termux(SystemClock(), command)
        task = asyncio.ensure_future(source.run(readings.append))
        await until(lambda: readings)
        assert readings == [Fix(48.3984123, 9.9915123, 18)]
        assert source.connected
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(scene())


def test_a_phone_without_termux_api_is_named() -> None:
    async def scene() -> None:
        assert await answer_of(("/nowhere/termux-location",), 1.0) is Trouble.UNREACHABLE

    asyncio.run(scene())


def test_a_phone_that_never_answers_is_given_up_and_its_command_ended() -> None:
    async def scene() -> None:
        command = (sys.executable, "-c", "import time; time.sleep(60)")
        assert await answer_of(command, 0.3) is Trouble.SILENT

    asyncio.run(scene())
