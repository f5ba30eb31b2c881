"""The experiments of arXiv 2405.16276 on a real language model: ``tuneaccord reproduce figure2`` and ``tables2-6``.

``claims`` is what a group may say in them, ``outcomes`` the two spaces of models (the frozen pool of replies, and a
table of measured soups), ``truth`` what a lie brings on the space and on other prompts, ``setting`` the work on the
language model. Results are plain :class:`~tuneaccord.reproduce.result.Reproduction` data.
"""
