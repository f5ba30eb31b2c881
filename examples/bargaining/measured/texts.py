"""Two domains of text that are on every machine with Python: the documentation and the code of its standard library.

A document is the docstrings, or the functions without their docstrings, of one module. Modules are dealt to training
or to held-out by a digest of their name, the same in both domains, so nothing that is scored was trained on in any
form.
"""

from __future__ import annotations

import ast
import hashlib
import sysconfig
from pathlib import Path

DOMAINS = ("documentation", "code")
_HELD_OUT = 5  #: one module in so many is held out
_SKIPPED = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__", "turtledemo"}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def modules() -> list[tuple[str, str]]:
    """Name and source of each module of the standard library, sorted by name."""
    root = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if not _SKIPPED & set(parts) and not any(part.startswith("config-") for part in parts):
            found.append(("/".join(parts), path.read_text(encoding="utf-8", errors="ignore")))
    return found


def documents(domain: str) -> tuple[list[str], list[str]]:
    """The training and the held-out documents of a domain, each at least 400 characters long."""
    cut = {"documentation": _documentation, "code": _code}[domain]
    parts: tuple[list[str], list[str]] = ([], [])
    for name, source in modules():
        try:
            text = cut(ast.parse(source))
        except (SyntaxError, ValueError):  # a file that this Python cannot read is no document
            continue
        if len(text) >= 400:
            parts[_held_out(name)].append(text)
    return parts


def _held_out(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % _HELD_OUT == 0


def _documentation(tree: ast.Module) -> str:
    nodes = [node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)]
    return "\n\n".join(text for node in nodes if (text := ast.get_docstring(node)))


def _code(tree: ast.Module) -> str:
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return "\n\n".join(ast.unparse(_without_docstring(node)) for node in functions)


def _without_docstring(node):
    if ast.get_docstring(node) is not None:
        node.body = node.body[1:] or [ast.Pass()]
    return node
