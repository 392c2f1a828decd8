"""The verbs of `farfield hotspot`, one module each; command.py imports one only when it is used."""
