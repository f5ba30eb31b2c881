"""Spaces of models, each a convex support function of the groups' sizes."""
