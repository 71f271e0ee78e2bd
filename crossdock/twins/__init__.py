"""Twins: loopback stand-ins of outside platforms, written from the platforms' documents alone (docs/twins.md)."""
