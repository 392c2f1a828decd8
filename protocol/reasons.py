"""One code per outcome, with the sentence its owner reads.

A code is for ever: it stands in published outcome tables. Add codes at the end of a block, never reuse one.
"""

from __future__ import annotations

from enum import IntEnum


class Reason(IntEnum):
    """0 is accepted; 1-99 report verdicts (protocol.md §6), 100-199 sites (rewards.md 8, 9), 200-299 admission."""

    ACCEPTED = 0

    UNKNOWN_HOTSPOT = 1
    FROZEN = 2
    REGION_UNKNOWN = 3
    BAD_SIGNATURE = 4
    NO_SUCH_SLOT = 5
    COMMIT_NOT_ON_TIME = 6
    WRONG_CHANNEL = 7
    WRONG_DATA_RATE = 8
    POWER_OUT_OF_RANGE = 9
    SLOT_CONFLICT = 10
    MAPPER_TOO_FAST = 11

    NO_VALID_BEACON = 20
    OWN_BEACON = 21
    SAME_OWNER = 22
    OTHER_REGION = 23
    FREQUENCY_OFF = 24
    DATA_RATE_OFF = 25
    TOO_FAR = 26
    TOO_CLOSE = 27
    ABOVE_FREE_SPACE = 28
    BELOW_SNR_FLOOR = 29
    RSSI_SNR_MISMATCH = 30
    DUPLICATE = 31
    NOT_TWO_WAY = 32
    NOT_SELECTED = 33
    OTHER_RADIO = 34

    NO_QUALITY = 100
    OWNER_SLOT = 101
    CO_LOCATED = 102
    RANK = 103

    NO_SESSION = 200
    WRONG_EPOCH = 201
    WRONG_NETWORK = 202
    QUOTA = 204
    NOT_REGISTERED = 205
    SIGNATURE_REFUSED = 206
    EPOCH_SEALED = 207


SENTENCES: dict[Reason, str] = {
    Reason.ACCEPTED: "Accepted.",
    Reason.UNKNOWN_HOTSPOT: "The hotspot was not registered on chain when the epoch's registry was read.",
    Reason.FROZEN: "The hotspot is frozen by governance; the reason's hash is on chain.",
    Reason.REGION_UNKNOWN: "The position lies in no known radio region, or a mapper left the region it registered in.",
    Reason.BAD_SIGNATURE: "The device signature does not verify against the registered key.",
    Reason.NO_SUCH_SLOT: "The beacon names a slot this hotspot does not have.",
    Reason.COMMIT_NOT_ON_TIME: "Not enough validators recorded the commit within the slot's window.",
    Reason.WRONG_CHANNEL: "The beacon was not sent on the channel drawn for its slot.",
    Reason.WRONG_DATA_RATE: "The beacon was not sent with the spreading factor drawn for its slot.",
    Reason.POWER_OUT_OF_RANGE: "Radiated power is more than 1 dB above the slot's EIRP or more than 15 dB below it.",
    Reason.SLOT_CONFLICT: "Two different signed beacons exist for one slot, so none counts.",
    Reason.MAPPER_TOO_FAST: "Two reports of this mapper are farther apart than it can travel between their slots.",
    Reason.NO_VALID_BEACON: "No valid beacon carries this tag.",
    Reason.OWN_BEACON: "A hotspot cannot witness itself.",
    Reason.SAME_OWNER: "Beaconer and witness belong to one owner.",
    Reason.OTHER_REGION: "Beaconer and witness are in different radio regions.",
    Reason.OTHER_RADIO: "A LoRa receiver does not hear Wi-Fi, nor the other way round.",
    Reason.FREQUENCY_OFF: "The frequency heard differs from the one sent by more than 25 kHz.",
    Reason.DATA_RATE_OFF: "The data rate heard is not the one sent.",
    Reason.TOO_FAR: "Beaconer and witness are farther apart than the radio's limit.",
    Reason.TOO_CLOSE: "Two fixed hotspots this close prove nothing about coverage.",
    Reason.ABOVE_FREE_SPACE: "The signal is stronger than free space allows at this distance.",
    Reason.BELOW_SNR_FLOOR: "The signal-to-noise ratio is below what a receiver can demodulate.",
    Reason.RSSI_SNR_MISMATCH: "RSSI and SNR contradict each other.",
    Reason.DUPLICATE: "This hotspot already has a report of this beacon.",
    Reason.NOT_TWO_WAY: "An end of this link was not both heard and hearing other owners in this or the last epoch.",
    Reason.NOT_SELECTED: "Valid, but not drawn: at most 14 witnesses a beacon and one a cell count.",
    Reason.NO_QUALITY: "Nothing proves this hotspot's signal in the cell.",
    Reason.OWNER_SLOT: "Another hotspot of this owner already holds a place in the cell.",
    Reason.CO_LOCATED: "Too close to a site that holds its place already.",
    Reason.RANK: "A valid site, but the cell already pays three.",
    Reason.NO_SESSION: "No open session: open one with the device key.",
    Reason.WRONG_EPOCH: "The record names an epoch that is not open.",
    Reason.WRONG_NETWORK: "The record names another chain or contract.",
    Reason.QUOTA: "More records than one hotspot may send in an epoch.",
    Reason.NOT_REGISTERED: "The hotspot is not registered on chain.",
    Reason.SIGNATURE_REFUSED: "The device signature does not verify.",
    Reason.EPOCH_SEALED: "The epoch is sealed; nothing more can count in it.",
}
