"""The owner's daemon: radio drivers, beaconing, witnessing, durable outbox, wallet, local status page."""
