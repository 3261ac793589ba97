"""The host link: bytes - frames - commands - accesses to the configuration port. docs/link.md has the protocol."""
