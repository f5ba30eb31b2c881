"""``tuneaccord session``: taking part in a session from a terminal, by way of :class:`tuneaccord.Client` alone.

Who somebody is stands in a *session file*: the server's address and the party's token, readable by its owner only.
"""
