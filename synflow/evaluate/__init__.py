"""Evaluates embedders by retrieval: UVRB in its released layout, data of your own, held-out runs, a miniature world.

`metrics` scores single queries, `abilities` averages as UVRB does, `reference` holds what was published.
"""
