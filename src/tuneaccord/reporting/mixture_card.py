"""The model card of an adapter that is a weighted sum of others: what was summed, and how exact the file is."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tuneaccord.reporting.needs import need


def mixture_card(base: str, parts: Sequence[dict], error: float, license: str | None = None) -> str:
    """A ``README.md`` with front matter; each part has ``name``, ``weight`` and ``digest``.

    ``error`` is the Frobenius norm by which the written update misses the sum, over that of the sum.

    >>> part = {"name": "press", "weight": 0.5, "digest": "sha256:0123456789abcdef"}
    >>> "| press | 0.5 | `sha256:0123456789abcdef` |" in mixture_card("owner/model", [part], 2e-8)
    True
    """
    facts = {"base_model": base, "library_name": "peft"}
    if license:
        facts["license"] = license
    facts["pipeline_tag"] = "text-generation"
    facts["tags"] = ["tuneaccord", "lora", "merge"]
    front = need("yaml").safe_dump(facts, sort_keys=False, allow_unicode=True)
    rows = "\n".join(f"| {_cell(part['name'])} | {part['weight']:g} | `{part['digest']}` |" for part in parts)
    return _CARD.format(front=front, title=_cell(base), rows=rows, error=f"{error:.2g}", base=json.dumps(base))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("`", "'")


_CARD = """---
{front}---

# A sum of adapters

| adapter | weight | digest of its weights |
| --- | --- | --- |
{rows}

This LoRA adapter for {title} is the weighted sum of the updates of these adapters:
`W + sum_i weight_i * scale_i * B_i A_i`. Its rank is the sum of their ranks. Read back from the file, its update misses
that sum by a relative error of {error} (Frobenius norm over all layers); the rest is rounding to float32.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained({base}), "this folder")
```

Keep it unmerged, or merge it in float32: in bfloat16 most of a small update is rounded away.
"""
