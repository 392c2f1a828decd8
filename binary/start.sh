#!/bin/sh
# Farfield, one file. It unpacks itself once, into a directory of yours, and runs from there; `tail` of it is a tar.
set -eu
umask 077
name=@NAME@ digest=@DIGEST@ offset=@OFFSET@

place() {
    for base in "${FARFIELD_UNPACK:-}" "${CACHE_DIRECTORY:-}" "${XDG_CACHE_HOME:-}" "${HOME:+$HOME/.cache}"; do
        if [ -n "$base" ] && mkdir -p "$base/farfield" 2>/dev/null && [ -w "$base/farfield" ]; then
            echo "$base/farfield"
            return
        fi
    done
    base="${TMPDIR:-/tmp}/farfield-$(id -u)"
    mkdir "$base" 2>/dev/null || true
    if [ -L "$base" ] || [ ! -d "$base" ] || [ ! -O "$base" ]; then
        echo "Farfield finds no place to unpack itself: set FARFIELD_UNPACK to a directory of yours." >&2
        exit 1
    fi
    chmod 700 "$base"
    echo "$base"
}

parent=$(place)
home="$parent/$name-$digest"
if [ ! -x "$home/$name" ]; then
    fresh=$(mktemp -d "$parent/.unpacking.XXXXXX")
    if ! tail -c "+$offset" "$0" | gzip -dc | tar -xf - -C "$fresh"; then
        rm -rf "$fresh"
        echo "Farfield cannot unpack itself into $parent: is the disk full? Set FARFIELD_UNPACK to another directory." >&2
        exit 1
    fi
    mv -T "$fresh" "$home" 2>/dev/null || rm -rf "$fresh"
fi
FARFIELD_EXECUTABLE=$(command -v -- "$0" || echo "$0")
export FARFIELD_EXECUTABLE
# The very first part of the program needs libz, which a machine may not have; our own children do not get it.
export LD_LIBRARY_PATH="$home/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$home/$name" "$@"
