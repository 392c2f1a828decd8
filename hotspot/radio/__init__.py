"""What the hotspot's radios are to the rest of it: frames in, transmissions out."""
