"""Prometheus metrics, made from the same snapshots as status and page when they are asked for.

A hotspot's id is a label because one process of an owner has one or a few; validators' metrics have no such label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Snapshot = dict[str, Any]
LABEL_CHARACTERS = 16


def text(hotspots: Sequence[Snapshot], process: Snapshot) -> bytes:
    """The metrics of a process in Prometheus' text form."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshots(hotspots, process))
    return generate_latest(registry)


class _Snapshots:
    """A collector over what was snapped."""

    def __init__(self, hotspots: Sequence[Snapshot], process: Snapshot) -> None:
        self._hotspots, self._process = hotspots, process

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield self._events()
        yield from self._gauges()
        yield self._validators()
        state = GaugeMetricFamily("farfield_hotspot_state", "1 for what the process does now.", labels=["state"])
        for name in ("listening", "waiting", "playing"):
            state.add_metric([name], float(self._process["state"] == name))
        yield state
        waiting = GaugeMetricFamily("farfield_hotspot_reports_waiting", "Reports not delivered yet.")
        waiting.add_metric([], float(self._process.get("reports_waiting", 0)))
        yield waiting

    def _events(self) -> Metric:
        events = CounterMetricFamily(
            "farfield_hotspot_events", "Everything counted, by group and name.", labels=["hotspot", "group", "name"]
        )
        for one in self._hotspots:
            for group, names in one["counters"].items():
                for name, count in names.items():
                    events.add_metric([_label(one), group, str(name)], float(count))
        return events

    def _gauges(self) -> Iterator[Metric]:
        forwarders = GaugeMetricFamily(
            "farfield_hotspot_forwarders_connected", "Packet forwarders that ask for orders.", labels=["hotspot"]
        )
        findings = GaugeMetricFamily("farfield_hotspot_findings", "What is wrong now.", labels=["hotspot", "code"])
        offset = GaugeMetricFamily(
            "farfield_hotspot_clock_offset_seconds", "True time less this clock.", labels=["hotspot"]
        )
        epoch = GaugeMetricFamily("farfield_hotspot_epoch", "The epoch now.", labels=["hotspot"])
        for one in self._hotspots:
            forwarders.add_metric([_label(one)], float(sum(1 for each in one["forwarders"] if each["alive"])))
            for code in sorted({each["code"] for each in one["findings"]}):
                findings.add_metric([_label(one), code], 1.0)
            if one.get("clock_offset_ms") is not None:
                offset.add_metric([_label(one)], one["clock_offset_ms"] / 1_000)
            if "epoch" in one:
                epoch.add_metric([_label(one)], float(one["epoch"]))
        yield from (forwarders, findings, offset, epoch)

    def _validators(self) -> Metric:
        reachable = GaugeMetricFamily(
            "farfield_hotspot_validator_reachable", "1 if the last call was answered.", labels=["validator"]
        )
        for one in self._process.get("validators", ()):
            reachable.add_metric([one["owner"]], float(one["reachable"] is True))
        return reachable


def _label(one: Snapshot) -> str:
    return one["hotspot_id"][:LABEL_CHARACTERS] if one["hotspot_id"] else "none"
