"""What an owner does: move a hotspot, hold and hand on its shares, fetch its income."""
