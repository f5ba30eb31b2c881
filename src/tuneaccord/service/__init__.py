"""Sessions of several parties on one server: sealed reports, a public log, durable settlement, a browser each.

``session`` knows the legal moves and does no input or output; ``desk`` is the only way in: it knows who may do what,
and pages, API, jobs and commands all go through it.
"""
