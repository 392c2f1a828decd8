"""What is wrong with a hotspot, by name, each with its fix.

`findings` lists every name, `running` finds them in what a running hotspot says of itself (the daemon counts them with
the same function), `machine` and `forwarder_file` find those that only the machine knows, `network` those of the chain.
"""
