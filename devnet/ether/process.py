"""The ether as a process: its parts put together, started from a configuration, ended by a signal or by `stop`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

from devnet.ether import report
from devnet.ether.config import Endpoint, EtherConfig, read_station
from devnet.ether.control import Control, Fields, RequestError
from devnet.ether.gpsd import DEVICE_PREFIX, Gpsd
from devnet.ether.medium import Medium, now_unix_ms
from devnet.ether.places import Place
from devnet.ether.replay import Replay
from devnet.ether.station import Station, monotonic_us
from devnet.ether.trace import load
from devnet.ether.wifi import WifiStation

SETTLE_POLL_S = 0.05


class Ether:
    """The running parts. `serve` returns when the ether is told to stop, with the final report written."""

    def __init__(self, config: EtherConfig) -> None:
        """Reads the receptions of a trace; ReceptionsError if they cannot be used."""
        self._config = config
        self._replay = Replay(load(config.receptions)) if config.receptions else None
        self._receptions = self._name_receptions(config.receptions)
        self._medium = Medium(config.seed, config.plan, self._replay)
        self._gpsd = Gpsd(self._positions)
        self._control = Control({
            "attach": self._attach,
            "detach": self._detach,
            "stations": self._stations,
            "report": self._report,
            "finish": self._finish,
            "stop": self._stop,
        })  # fmt: skip
        self._medium.on_sent = lambda station: self._gpsd.publish(station.name)
        self._told_to_stop = asyncio.Event()
        self._radios: dict[str, report.Radio] = {}
        self._writing = asyncio.Lock()

    async def serve(self) -> None:
        """Attaches the configured stations, says where it listens, and runs until SIGTERM, SIGINT or `stop`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop.set)
        try:
            for station in self._config.stations:
                self._enter(await self._medium.attach(station))
            await self._listen()
            await self._told_to_stop.wait()
            await self._end()
        finally:
            self._medium.close()
            await self._gpsd.close()
            await self._control.close()

    async def _listen(self) -> None:
        """Opens both servers and writes their addresses where the supervisor looks for them."""
        wanted = {"control": self._config.control, "gpsd": self._config.gpsd}
        servers = {"control": self._control, "gpsd": self._gpsd}
        addresses = {}
        for name, endpoint in wanted.items():
            addresses[name] = str(Endpoint(endpoint.host, await servers[name].open(*endpoint.pair)))
        print(f"ether: {self._medium.mark}; control {addresses['control']}, gpsd {addresses['gpsd']}", flush=True)
        if self._config.address_file:
            report.write_json(self._config.address_file, addresses)

    async def _end(self) -> None:
        """The replay is over: rows under way get their acknowledgement or their time, then the account is written."""
        if self._replay:
            self._replay.finish(now_unix_ms())
            await self._settle(self._replay)
        await self._write_report(final=True)

    async def _settle(self, replay: Replay) -> None:
        while (deadline_us := replay.waits_until_us(monotonic_us())) is not None:
            left_s = (deadline_us - monotonic_us()) / 1_000_000
            await asyncio.sleep(min(max(left_s, 0.0), SETTLE_POLL_S))

    async def _write_report(self, final: bool) -> Fields:
        """Writes the report if a file is named for it, and returns it without its rows."""
        figures, rows = ({}, None) if self._replay is None else self._account(self._replay, final)
        head = {
            "format": report.FORMAT,
            "simulated": self._replay is None,
            "provenance": report.REPLAYED if self._replay else report.SIMULATED,
            "final": final,
            "seed": self._config.seed,
            **self._receptions,
            **figures,
            "frames_on_air": self._medium.emissions,
            "packets_sent_to_hotspots": self._medium.receptions,
        }
        if self._config.report:
            body = {"stations": self._medium.describe(), **({} if rows is None else {"rows": rows})}
            async with self._writing:
                await asyncio.to_thread(report.write_json, self._config.report, {**head, **body})
        return head

    def _account(self, replay: Replay, final: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        figures, outcomes = report.account(replay, monotonic_us(), final)
        return figures, report.rows(replay, outcomes, self._radios)

    def _name_receptions(self, path: Path | None) -> dict[str, Any]:
        return {} if path is None else {"receptions": path.name, "receptions_sha256": report.file_digest(path)}

    def _positions(self) -> dict[str, Place]:
        """Where every mobile station is now, by device."""
        unix_ms = now_unix_ms()
        return {
            DEVICE_PREFIX + station.name: self._medium.place(station, unix_ms)
            for station in self._medium.stations.values()
            if station.config.is_mapper
        }

    def _enter(self, station: Station | WifiStation) -> None:
        self._radios[station.name] = report.Radio(station.eui, station.config.gain_cdb)

    # --- commands

    async def _attach(self, fields: Fields) -> Fields:
        station = await self._medium.attach(read_station(fields, self._config.seed))
        self._enter(station)
        device = DEVICE_PREFIX + station.name if station.config.is_mapper else None
        return {"name": station.name, "eui": station.eui.hex(), "gpsd_device": device}

    async def _detach(self, fields: Fields) -> Fields:
        name = fields.get("name")
        if not isinstance(name, str):
            raise RequestError('"name" must be the name of a station')
        self._medium.detach(name)
        return {}

    async def _stations(self, fields: Fields) -> Fields:
        return {"stations": self._medium.describe()}

    async def _report(self, fields: Fields) -> Fields:
        return {"report": await self._write_report(final=False)}

    async def _finish(self, fields: Fields) -> Fields:
        if self._replay is None:
            raise RequestError("only a replay can be finished; a simulated channel has no end")
        at_ms = fields.get("at_ms", now_unix_ms())
        if not isinstance(at_ms, int) or isinstance(at_ms, bool):
            raise RequestError('"at_ms" must be a whole number of unix milliseconds')
        self._replay.finish(at_ms)
        return {}

    async def _stop(self, fields: Fields) -> Fields:
        self._told_to_stop.set()
        return {}
