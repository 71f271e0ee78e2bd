"""Offers files, bytes only: what may stand in them (`checks`), how they are rendered, how they come onto the disk.

Nothing here knows the store or the network.
"""
