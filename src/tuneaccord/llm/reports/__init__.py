"""What a group may report, one file for each form.

``functions``: a Python function. ``classifier``: a sequence classifier of transformers. ``filled``: a score sheet that
the group filled in itself. ``preferences``: pairs of replies, the better one first. ``mixes``: a mix of published
criteria. ``questions``: answers to a few well-chosen questions. All become a ``GroupReward`` (in ``reward``), whose
scores are on a published scale; ``features`` are what the fitted ones are made of, ``fit`` is how far they may be off.
"""
