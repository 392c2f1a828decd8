"""The version of the rules. Bump it when any vector or rule changes: an audit names it and judges nothing older."""

PROTOCOL_VERSION = 1
