"""Configuration files: YAML that is checked key by key before anything runs."""

from tuneaccord.config.loading import RelativePath, Section, load_yaml

__all__ = ["RelativePath", "Section", "load_yaml"]
