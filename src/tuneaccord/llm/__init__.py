"""Language models: the only place that knows torch, transformers and PEFT.

It reads in this order: ``hf`` (which model), ``prompts``, ``generate`` and ``pool`` (frozen replies), ``scoring``
(the groups' score sheets), ``adapters`` and ``distil`` (the adapter), ``measure`` (fresh replies of it). A whole
run is put together in ``tuneaccord.tuning``.
"""
