"""A tuning run, from a configuration to the files of a settlement: where the mechanism meets language models.

``market`` is what a run reads, ``run`` the whole job, step by step; ``comparison`` the held-out table;
``record`` the settlement as plain data; ``outputs`` the files; ``policy`` the chosen policy on new prompts.
The steps themselves are in ``tuneaccord.llm``, which knows nothing of groups' money, and in
``tuneaccord.mechanism``, which knows nothing of language models.
"""
