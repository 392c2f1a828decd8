"""The wire contract. Stubs beside the .proto files are built by set-up and not committed."""
