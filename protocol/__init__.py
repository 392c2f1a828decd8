"""The rules of Farfield: pure, integers only; no clock, files, sockets, threads, environment or logging."""
