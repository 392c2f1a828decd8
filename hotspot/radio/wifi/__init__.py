# SPDX-License-Identifier: GPL-2.0-or-later
"""The Wi-Fi bridge: a program of its own that sends and hears beacons as 802.11 frames on a monitor interface.

It is a separate work under the GNU General Public License, version 2 or later (LICENSE beside this file), because it
uses scapy; nothing of Farfield imports it, and it imports nothing of Farfield but the two-licence files
`hotspot/radio/messages.py`, `pcap.py` and `ssid.py`. It is also the only process that ever holds a raw socket, and it
holds no key. Run it with `python -m hotspot.radio.wifi` or `farfield-wifi-bridge`.

`elements` tells at a glance whether a frame is worth reading, `frames` builds and reads them with scapy, `ports` are
where frames come and go, `tuning` sets channel and power, `privileges` are dropped, `bridge` is the loop around them.
"""
