"""A saved adapter names its base as others know it."""

import json
from dataclasses import replace

import pytest
from plain_route import LORA, random_state

from tuneaccord.llm import embedded
from tuneaccord.llm.adapters import Adapter, save


@pytest.mark.parametrize(("name", "base"), [(None, None), (embedded.NAME, embedded.HUB_NAME), ("owner/m", "owner/m")])
def test_the_base_of_a_saved_adapter(ref, tmp_path, name, base):
    named = ref if name is None else replace(ref, name=name)
    save(named, Adapter(LORA, random_state(ref)), tmp_path, "# card")
    content = (tmp_path / "adapter_config.json").read_text(encoding="utf-8")
    assert json.loads(content)["base_model_name_or_path"] == (base or ref.name)
    assert ref.folder not in content
    assert (tmp_path / "adapter_model.safetensors").exists()
