"""The radio ether: a process that plays packet forwarders and decides who hears whom.

Every attached station is one virtual Semtech forwarder that speaks GWMP to a hotspot's UDP port, so a hotspot cannot
tell it from a gateway on a roof. Layers, pure first:

- `places`, `emissions`, `jit`, `forwarder`: a forwarder's decisions and what is on air, without sockets or a clock
- `simulated`, `trace` + `replay`: the two channels, which turn an emission into receptions
- `station`, `medium`, `gpsd`, `control`, `process`: the sockets around them
- `client`: how another process attaches stations and asks for the report
"""
