"""A seller's rehearsal: one generated day, or a file of real orders, against a marketplace of our own on loopback.

The hub is the real one and speaks HTTP with the Miinto plugin; what stands at the other end is the Miinto twin, in a
process of its own. docs/demo.md has the rules from which the outcome of a replay can be recomputed.
"""
