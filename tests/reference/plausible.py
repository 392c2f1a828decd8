"""Which measured receptions the rules must accept, read from the text alone.

`python -m tests.reference.plausible` reads JSON lines, one offered reception each: row, tx_cell and rx_cell
(hexadecimal H3), rssi_dbm (decimal text), frequency_hz, eirp_cdb, rx_gain_cdb; snr_cdb and in_region may be given. It
prints one JSON object: {"plausible": count, "rows": [{"row", "plausible", "reason"}]}. A row is plausible if it is not
too far, its transmitter is in the region, and it is not stronger than free space allows; else the reason is the first
rule's that fails.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from pathlib import Path
from typing import Any

from protocol.limits import MAX_ALLOWED_DISTANCE_M
from tests.reference import places
from tests.reference.exact import reach_metre_hertz
from tests.reference.inputs import Network, Place

PARAMS_FOLDER = Path(__file__).resolve().parents[2] / "params"
ROW_BYTES = 9


def devnet(folder: Path = PARAMS_FOLDER) -> Network:
    """The devnet's rules and its region file: rows of u8 region and u64 cell."""
    params = tomllib.loads((folder / "devnet.toml").read_text())
    data = (folder / params["radio"]["cells"]["file"]).read_bytes()
    rows = [data[at : at + ROW_BYTES] for at in range(0, len(data), ROW_BYTES)]
    return Network(0, b"", params, tuple((row[0], int.from_bytes(row[1:], "big")) for row in rows))


class Reader:
    """Judges receptions of one network; positions and regions of cells are looked up once."""

    def __init__(self, network: Network) -> None:
        self.network, self.rules = network, network.params["rules"]

    @cache  # noqa: B019 - a reader lives as long as its process
    def place(self, cell: int) -> Place:
        return places.position(cell)

    @cache  # noqa: B019 - a reader lives as long as its process
    def region(self, cell: int) -> int | None:
        return places.region_of(self.network, cell)

    def refusal(self, row: Mapping[str, Any]) -> str | None:
        """The reason the rules would give this reception, None if it is plausible."""
        tx_cell, rx_cell = int(row["tx_cell"], 16), int(row["rx_cell"], 16)
        sent_from, in_region = self.region(tx_cell), row.get("in_region")
        if not (sent_from is not None if in_region is None else in_region):
            return "NO_VALID_BEACON"
        heard_in = self.region(rx_cell)
        if heard_in is None or (sent_from is not None and heard_in != sent_from):
            return "OTHER_REGION"
        both_radii_m = sum(places.radius_m(self.network.params, cell) for cell in (tx_cell, rx_cell))
        distance2_m2 = places.chord2_m2(self.place(tx_cell), self.place(rx_cell))
        if distance2_m2 > (self.rules["lora"]["max_distance_m"] - both_radii_m) ** 2:
            return "TOO_FAR"
        if distance2_m2 > self._free_space_m(row, both_radii_m) ** 2:
            return "ABOVE_FREE_SPACE"
        return None

    def _free_space_m(self, row: Mapping[str, Any], both_radii_m: int) -> int:
        limit_cdb = self.network.params["radio"]["regions"][0]["max_eirp_cdb"]
        power_cdb = int((100 * Decimal(row["rssi_dbm"])).to_integral_value(ROUND_HALF_EVEN))
        power_cdb += min(0, int(row.get("snr_cdb") or 0))
        index_cdb = min(limit_cdb, row["eirp_cdb"]) + row["rx_gain_cdb"] - power_cdb
        reach_m = reach_metre_hertz(index_cdb + self.rules["free_space_margin_cdb"]) // row["frequency_hz"]
        return min(reach_m + both_radii_m, MAX_ALLOWED_DISTANCE_M)


def judge(rows: list[Mapping[str, Any]], network: Network) -> dict[str, Any]:
    reader = Reader(network)
    judged = [{"row": row["row"], "reason": reader.refusal(row)} for row in rows]
    answers = [{"row": one["row"], "plausible": one["reason"] is None, "reason": one["reason"]} for one in judged]
    return {"plausible": sum(one["plausible"] for one in answers), "rows": answers}


def main() -> None:
    rows = [json.loads(line) for line in sys.stdin if line.strip()]
    print(json.dumps(judge(rows, devnet())))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
