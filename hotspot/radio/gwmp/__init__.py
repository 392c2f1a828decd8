"""Semtech's UDP protocol between a packet forwarder and a server, versions 1 and 2."""
