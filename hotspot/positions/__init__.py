"""Where a mapper is: from gpsd, an NMEA receiver or file, a GPX track, or an Android phone's Termux.

Coordinates stay in this package. Out comes one H3 cell of the resolution the owner chose, or the reason why there is
none: no fix, an old one, or a place the owner keeps quiet.
"""

from hotspot.positions.mapper import Mapper, Nowhere, PositionSource

__all__ = ["Mapper", "Nowhere", "PositionSource"]
