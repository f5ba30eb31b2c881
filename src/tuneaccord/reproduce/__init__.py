"""The paper's table and theorems (arXiv 2405.16276), recomputed and put beside what the paper says.

One file a reproduction, each with ``reproduce(samples, seed, progress)``; the catalogue below is the list of them.
Where the text of a theorem could not be checked, the result says which statement was tested instead of quoting it.
"""

from tuneaccord.reproduce.catalogue import CATALOGUE, Entry, reproduce
from tuneaccord.reproduce.result import Column, Curve, Picture, Reproduction, Table

__all__ = ["CATALOGUE", "Column", "Curve", "Entry", "Picture", "Reproduction", "Table", "reproduce"]
