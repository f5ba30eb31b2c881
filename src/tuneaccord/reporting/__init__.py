"""Documents of one tuning run: figures, the one-file report, and the adapter's model card.

Everything here reads plain data and returns text. Nothing is computed that decides who pays what.
"""
