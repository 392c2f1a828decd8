"""`make bench`: prints every benchmark's ceiling and ratio."""

from __future__ import annotations

from bench import gwmp, inbox, judging, merkle_trees


def main() -> None:
    """Runs the benchmarks one after the other."""
    for bench in (judging, inbox, merkle_trees, gwmp):
        for line in bench.lines():
            print(line, flush=True)


if __name__ == "__main__":
    main()
