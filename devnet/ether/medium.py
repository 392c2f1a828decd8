"""The medium: every station, what is on air between them, and the end of each emission, when it is judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from devnet.ether.config import MAX_STATIONS, StationConfig
from devnet.ether.emissions import Air, Emission, Listener, Reception
from devnet.ether.forwarder import ChannelPlan, Forwarder, Identity, Programmed, is_hearable
from devnet.ether.places import Place
from devnet.ether.replay import PartTakenError, Replay
from devnet.ether.simulated import SimulatedChannel
from devnet.ether.station import Station, monotonic_us
from devnet.ether.wifi import BANDWIDTH_HZ as WIFI_BANDWIDTH_HZ
from devnet.ether.wifi import Sent, WifiStation, airtime_us
from hotspot.radio.gwmp.fields import Txpk

SIMULATED_MARK = "Farfield devnet ether: simulated radio"
REPLAYED_MARK = "Farfield devnet ether: replayed from measurements"


class AttachError(ValueError):
    """A station cannot be attached or detached; the text is a sentence for a person."""


class Medium:
    """Stations and the air between them. `on_sent` is told the station whose emission has just ended."""

    def __init__(self, seed: int, plan: ChannelPlan, replay: Replay | None) -> None:
        self.replay = replay
        self.stations: dict[str, Station | WifiStation] = {}
        self.emissions = 0
        self.receptions = 0
        self.on_sent: Callable[[Station | WifiStation], None] = lambda station: None
        self._seed = seed
        self._plan = plan
        self._channel: Replay | SimulatedChannel = replay or SimulatedChannel(seed)
        self._air = Air()
        self._ends: set[asyncio.TimerHandle] = set()

    @property
    def mark(self) -> str:
        """What every status report of a station says about itself."""
        return REPLAYED_MARK if self.replay else SIMULATED_MARK

    async def attach(self, config: StationConfig) -> Station | WifiStation:
        """Puts a station on air; AttachError if its name or its part in the trace is taken, or there is no room."""
        if config.name in self.stations:
            raise AttachError(f"a station {config.name!r} is attached already; detach it first or choose another name")
        if len(self.stations) >= MAX_STATIONS:
            raise AttachError(f"the ether has room for {MAX_STATIONS} stations")
        self._take_part(config)
        station = self._new_station(config)
        self.stations[config.name] = station
        try:
            await station.open()
        except OSError as error:
            self.detach(config.name)
            raise AttachError(f"cannot put {config.name!r} on air: {error}") from error
        return station

    def _new_station(self, config: StationConfig) -> Station | WifiStation:
        if config.pipe is not None:
            return WifiStation(config, self._on_wifi_sent)
        forwarder = Forwarder(Identity.derive(self._seed, config.name), self._plan, monotonic_us())
        return Station(config, forwarder, self.mark, self._on_programmed)

    def detach(self, name: str) -> None:
        """Takes a station off; AttachError if there is none of that name."""
        station = self.stations.pop(name, None)
        if station is None:
            raise AttachError(f"there is no station {name!r}")
        station.close()
        if self.replay:
            self.replay.leave(name)

    def close(self) -> None:
        """Silence: every station is closed, and what is on air ends unheard."""
        for timer in self._ends:
            timer.cancel()
        for name in list(self.stations):
            self.detach(name)

    def place(self, station: Station | WifiStation, unix_ms: int) -> Place:
        """Where a station is, or says it is."""
        replayed = self.replay.place(station.name) if self.replay else None
        if replayed is not None:
            return replayed
        config = station.config
        if config.route is not None:
            return config.route.at(unix_ms)
        assert config.place is not None  # only a part in a trace, which has its own place, goes without one
        return config.place

    def describe(self) -> list[dict[str, Any]]:
        """Every station with its place and counters."""
        unix_ms = now_unix_ms()
        return [
            {**station.describe(), "lat": place.latitude_deg, "lon": place.longitude_deg}
            for station in self.stations.values()
            for place in (self.place(station, unix_ms),)
        ]

    def _take_part(self, config: StationConfig) -> None:
        if config.pipe is not None and self.replay is not None:
            raise AttachError(f"{config.name!r} is a Wi-Fi radio, of which a trace knows nothing")
        if self.replay is None:
            if config.mapper or config.receiver:
                raise AttachError(f"{config.name!r} has a part in a trace, but this ether simulates its channel")
            return
        try:
            if config.mapper:
                self.replay.enter_mapper(config.name, *config.mapper)
            elif config.receiver:
                self.replay.enter_receiver(config.name, config.receiver)
        except PartTakenError as error:
            raise AttachError(f"{config.name!r} cannot be attached: {error}") from error

    # --- emissions

    def _on_programmed(self, station: Station, order: Txpk, decision: Programmed, now_us: int) -> None:
        unix_ms = now_unix_ms() + (decision.on_air.start_us - now_us) // 1_000
        emission = Emission(
            station=station.name,
            start_us=decision.on_air.start_us,
            end_us=decision.on_air.end_us,
            start_unix_ms=unix_ms,
            frequency_hz=order.frequency_hz,
            bandwidth_hz=order.rate.bandwidth_hz or 0,
            spreading_factor=order.rate.spreading_factor or 0,
            cr_denominator=order.cr_denominator or 0,
            eirp_cdb=100 * decision.power_dbm + station.config.gain_cdb,
            payload=order.payload,
            place=self.place(station, unix_ms),
            hearable=is_hearable(order, self._plan),
        )
        self._air.add(emission)
        self.emissions += 1
        self._at_end_of(emission)

    def _on_wifi_sent(self, station: WifiStation, sent: Sent) -> None:
        """A frame is on air from the moment the bridge wrote it."""
        now_us, unix_ms = monotonic_us(), now_unix_ms()
        emission = Emission(
            station=station.name,
            start_us=now_us,
            end_us=now_us + airtime_us(sent.frame),
            start_unix_ms=unix_ms,
            frequency_hz=sent.frequency_hz,
            bandwidth_hz=WIFI_BANDWIDTH_HZ,
            spreading_factor=0,
            cr_denominator=0,
            eirp_cdb=sent.power_cdb + station.config.gain_cdb,
            payload=sent.frame,
            place=self.place(station, unix_ms),
        )
        self._air.add(emission)
        self.emissions += 1
        self._at_end_of(emission)

    def _at_end_of(self, emission: Emission) -> None:
        handles: list[asyncio.TimerHandle] = []

        def judge() -> None:
            self._ends.discard(handles[0])
            self._judge(emission)

        handles.append(asyncio.get_running_loop().call_at(emission.end_us / 1_000_000, judge))
        self._ends.add(handles[0])

    def _judge(self, emission: Emission) -> None:
        """The emission is over: whoever heard it reports it."""
        listeners = [
            Listener(station.name, self.place(station, emission.start_unix_ms), station.config.gain_cdb)
            for station in self.stations.values()
            if station.is_wifi == (emission.spreading_factor == 0)
        ]
        heard = self._channel.receptions(emission, self._air, listeners)
        self._air.judged(emission)
        for reception in heard:
            self._deliver(emission, reception)
        sender = self.stations.get(emission.station)
        if sender is not None:
            self.on_sent(sender)

    def _deliver(self, emission: Emission, reception: Reception) -> None:
        self.receptions += 1
        station = self.stations[reception.station]
        if self.replay is None or reception.row is None:
            station.hear(emission, reception)
        else:
            station.hear(emission, reception, partial(self.replay.acknowledged, reception.row))


def now_unix_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000
