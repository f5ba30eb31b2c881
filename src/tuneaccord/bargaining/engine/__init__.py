"""Stages two and three: what everybody does at given shares, proved best where the curves allow."""
