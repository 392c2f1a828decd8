"""Every finding there is: its name, the sentence its owner reads, and the fix. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """A problem keeps the hotspot from earning and makes `doctor` exit 3; a note does not."""

    PROBLEM = "problem"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    code: str
    level: Level
    sentence: str
    fix: str


PROBLEMS: dict[str, tuple[str, str]] = {
    # the machine
    "config_invalid": ("{problem}", "Correct hotspot.toml; every key is explained in docs/hotspot.md."),
    "key_missing": ("There is no device key, so it only listens.", "Run `farfield hotspot register`."),
    "key_unusable": ("{problem}", "Nothing is sent in this hotspot's name until the key can be used."),
    "not_running": (
        "No hotspot runs in {directory}.",
        "Start it with `farfield hotspot run`, or for good with `farfield hotspot service install`.",
    ),
    "port_taken": (
        "Port {listen} (UDP) is used by another program, so no packet forwarder is heard.",
        "Stop that program (another packet-forwarder server, a second hotspot?) or choose another `listen`.",
    ),
    "listen_unusable": (
        "This machine cannot listen on {listen} ({problem}), so no packet forwarder is heard.",
        "Set `listen` to an address this machine has, or to 0.0.0.0 and a port for all of them.",
    ),
    "disk_full": (
        "Only {free_mb} MB are left where reports are stored.",
        "Free some space: without it no beacon is sent, because its report could not be kept.",
    ),
    "not_stored": (
        "{count} reports could not be written to disk.",
        "Free some space and check the disk; beacons are sent again by themselves once reports can be stored.",
    ),
    "clock_off": (
        "This machine's clock is {offset} s {direction} (by {source}); 2 s are allowed.",
        "Set the clock by NTP: `timedatectl set-ntp true`. Reports with a wrong time do not count.",
    ),
    # the radio
    "no_forwarder": (
        "No packet forwarder is connected to {listen}.",
        "In the gateway, set server_address to this machine and both ports to {port}; check its firewall.",
    ),
    "no_wifi_bridge": (
        "The Wi-Fi bridge is not there: {problem}.",
        "Start `farfield-wifi-bridge --iface mon0 --socket {socket}`, and look at what it says.",
    ),
    "no_orders": (
        "Forwarder {eui} sends packets but never asks for orders, so it cannot transmit beacons.",
        "Set its serv_port_down to the same port as serv_port_up, and let UDP through both ways.",
    ),
    "network_server_silent": (
        "The network server {server} does not answer, so its packets are lost and it sends no downlinks.",
        "Correct `network_servers` in hotspot.toml (not this hotspot itself), or see why that server is silent.",
    ),
    "nothing_heard": (
        "A forwarder is connected, but it has heard nothing since {minutes} min.",
        "Check the antenna and its plug, and that the gateway's channels are those of your region.",
    ),
    "copied_eui": (
        "Two forwarders use the EUI {eui}, so orders reach only one of them.",
        "Give each its own gateway_ID in its configuration; {eui} was copied.",
    ),
    "wrong_region": (
        "The radio does not fit {region}: {problem}.",
        "Load the gateway's configuration for {region}, or register the hotspot where it stands.",
    ),
    "refused_frequency": (
        "The forwarder refuses some of the channels of {region} (TX_FREQ, {count} times).",
        "Widen tx_freq_min and tx_freq_max in its global_conf.json; for US915, tx_freq_min must be 902000000.",
    ),
    "refused_power": (
        "The forwarder refuses every power it was asked for (TX_POWER, {count} times).",
        "Its tx_lut has no step that low: add one, or register the antenna gain that is really there.",
    ),
    "antenna_gain": (
        "Forwarder {eui} {problem}.",
        "Set antenna_gain to 0 in its global_conf.json; Farfield subtracts the gain you registered.",
    ),
    "no_answer": (
        "The forwarder never answered {count} orders to transmit.",
        "Check that nothing but this program is its server; an old forwarder may need `transmit_delay_ms = 1000`.",
    ),
    "transmit_forwarder_missing": (
        "The forwarder {eui} that shall transmit is not connected.",
        "Correct `transmit_forwarder` in hotspot.toml, or leave it out.",
    ),
    "file_server": (
        "The forwarder's configuration {path} sends to {found}, not to this hotspot's port {port}.",
        "Set server_address, serv_port_up and serv_port_down there, and restart the forwarder.",
    ),
    "file_unreadable": ("{path} cannot be read: {problem}.", "Correct `forwarder_config` in hotspot.toml."),
    # the position
    "gps_unreadable": (
        "There is no position from {source}: {problem}.",
        "Check the receiver and its view of the sky; without a position a mapper neither beacons nor reports.",
    ),
    "mapper_without_gps": (
        "The hotspot is registered as a mapper but has no source of positions.",
        "Set `gpsd`, `nmea`, `gpx` or `termux` in hotspot.toml.",
    ),
    # the network
    "network_invalid": ("{problem}", "Nothing is played until the network's file can be used."),
    "wrong_network": ("{problem}", "Get the network's file again, from where you got it first."),
    "chain_unreachable": (
        "The chain does not answer: {problem}",
        "Check this machine's internet connection and the rpc_urls in the network's file; it asks again by itself.",
    ),
    "validators_unreachable": (
        "None of {count} validators answers ({problem}).",
        "Check that this machine may open TCP connections to them; reports are kept and sent once one answers.",
    ),
    "few_validators": (
        "Only {reachable} of {count} validators answer; reports count when more than a third of stake has them.",
        "Check the network; `farfield hotspot status --json` names those that are silent.",
    ),
    "unknown_validator_key": (
        "Validator {owner} is not what the chain says: {problem}.",
        "Correct `validators` in hotspot.toml, or get the network's file again; never trust its receipts before.",
    ),
    "other_version": ("{problem}", "Update Farfield."),
    "not_registered": (
        "The hotspot is not registered on chain, so it has no slots.",
        "Run `farfield hotspot register`; a registration counts from the next epoch on.",
    ),
    "frozen": ("The hotspot is frozen by governance.", "The reason's hash is on chain; ask the network's operators."),
    "region_unknown": (
        "The registered cell {cell} lies in no radio region this network knows.",
        "Check the place you registered; if it is right, this network does not play there yet.",
    ),
    "gain_not_usable": (
        "With the registered antenna gain no power of this radio is lawful or loud enough.",
        "Register the antenna's real gain.",
    ),
    "wifi_radio_missing": (
        "The hotspot is registered as Wi-Fi, and no Wi-Fi bridge runs.",
        "Start the Wi-Fi bridge and name its socket in hotspot.toml; docs/hotspot.md says how.",
    ),
    "lora_radio_missing": (
        "The hotspot is registered for LoRa, but hotspot.toml names a Wi-Fi bridge.",
        "Leave the bridge out of hotspot.toml, or register another hotspot as Wi-Fi.",
    ),
    "reports_expired": (
        "{count} reports were too late for enough validators.",
        "`farfield hotspot reports --why` names each; check the internet connection and the clock.",
    ),
    "too_little_stake": (
        "The validators that hotspot.toml lists hold no more than a third of stake, so no report counts.",
        "List more in `validators`, or leave it out: then every validator gets every report.",
    ),
}
NOTES: dict[str, tuple[str, str]] = {
    "alone": ("{sentence}", "Ask a mapper to come by, or a neighbour to put one up."),
    "default_eui": (
        "The forwarder uses the factory EUI {eui}, as many others do.",
        "Give it its own gateway_ID; on most gateways a script named update_gwid.sh does it.",
    ),
    "duty_cycle": (
        "{count} beacons were skipped because the hour's air time was used up.",
        "Nothing: the law's limit is kept for everything this radio sends, and it goes on by itself.",
    ),
    "clock_unsynchronised": (
        "The system does not keep this clock right by NTP.",
        "Run `timedatectl set-ntp true`; a clock drifts by seconds a week.",
    ),
    "network_missing": (
        "No network is named, so it only listens.",
        "Give one with `farfield hotspot register --network`.",
    ),
    "waiting": ("{problem}", "Nothing: it listens meanwhile and asks again by itself."),
}


def finding(code: str, **values: object) -> Finding:
    """A finding with its values filled in."""
    level = Level.PROBLEM if code in PROBLEMS else Level.NOTE
    sentence, fix = (PROBLEMS if level is Level.PROBLEM else NOTES)[code]
    return Finding(code, level, sentence.format(**values), fix.format(**values))
