"""Playing the game of an epoch: the network's rules, this hotspot's slots, its beacons and what it hears of others."""
