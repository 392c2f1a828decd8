"""Parameter files and region sets, read by daemons, which hand protocol/ plain values."""
