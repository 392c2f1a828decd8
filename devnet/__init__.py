"""A whole network on one machine: chain, validators, hotspots and the simulated radio ether."""
