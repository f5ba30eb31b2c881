"""The bargain over one share: closed forms, a search of the whole of [0, 1], the Pareto set, and batches."""
