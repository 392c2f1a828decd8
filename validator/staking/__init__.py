"""What a validator's owner does on chain: stake, leave, change keys, suspend who is silent, stop what is wrong."""
