"""The one EVM client: reader at the final block, nonce-owning sender, typed calls."""
