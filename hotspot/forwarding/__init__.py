"""The gateway stays what it was: what is not Farfield's goes on to its owner's LoRaWAN network servers, and back."""
