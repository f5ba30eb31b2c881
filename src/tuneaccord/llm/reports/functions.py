"""A Python function of the user's as a reward: found, imported, and hashed with what is beside it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tuneaccord.errors import InputError, RewardError, nearest
from tuneaccord.llm.reports.reward import SECONDS, Function, GroupReward
from tuneaccord.llm.timelimit import OutOfTime, within

#: of each package module that was read here, the digest of its source then
_digests: dict[str, str] = {}


def read_function(
    name: str, size: float, reward: str, folder: Path, scale: tuple[float, float] | None, seconds: float = SECONDS
) -> GroupReward:
    """The reward ``file.py:function`` or ``package.module:function``; files are relative to ``folder``.

    Raises :class:`InputError` when there is no such file or function, and :class:`RewardError` when its file cannot
    be imported, or not in time.
    """
    place, _, attribute = reward.rpartition(":")
    if place.endswith(".py"):
        module, sources = _module_from_file(name, place, folder, seconds)
        reward = f"{Path(place).name}:{attribute}"  # results must not depend on where files are
    else:
        module, sources = _module(name, place, seconds)
    function = _function(name, module, place, attribute)
    description = [*(function.__doc__ or "").strip().splitlines(), f"the function {reward}"][0]
    identity = {"function": reward, **sources}
    return GroupReward(name, size, reward, description, scale or (0.0, 1.0), function, identity, seconds)


def _function(group: str, module: ModuleType, place: str, attribute: str) -> Function:
    function = getattr(module, attribute, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise InputError(f"group {group!r}: {place} has no function {attribute!r}. {nearest(attribute, names)}")
    return function


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextlib.contextmanager
def _importing(group: str, place: object, seconds: float) -> Iterator[None]:
    """What a module prints must not mix with a command's JSON, and what it raises names the group."""
    importlib.invalidate_caches()
    try:
        with contextlib.redirect_stdout(sys.stderr), within(seconds):
            yield
    except InputError:  # there is no such module
        raise
    except OutOfTime:
        raise RewardError(
            f"group {group!r}: {place} took longer than {seconds:g} s to import. Make it faster, or give it more time "
            "with reward_seconds."
        ) from None
    except (Exception, SystemExit) as error:
        raise RewardError(f"group {group!r}: {place} cannot be imported: {type(error).__name__}: {error}") from error


def _module_from_file(group: str, place: str, folder: Path, seconds: float) -> tuple[ModuleType, dict]:
    """The module in a file of the user's, with digests of its source and of the files beside it that it imports."""
    file = (folder / Path(place).expanduser()).resolve()
    if not file.is_file():
        raise InputError(f"group {group!r}: the reward file {file} does not exist.")
    name = f"tuneaccord_reward_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    source = file.read_bytes()
    sys.modules[name] = module
    with _importing(group, file, seconds), _beside(file.parent) as helpers:
        exec(spec.loader.source_to_code(source, file), vars(module))  # the bytes that are hashed, not a stale .pyc
    digests = {"source": hashlib.sha256(source).hexdigest()}
    return module, {**digests, "helpers": helpers} if helpers else digests


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[dict[str, str]]:
    """Modules in ``folder`` can be imported in the block, as those beside a script can; fills in their digests.

    They are forgotten afterwards, so that the next file finds its own and not those of another folder.
    """
    known, digests = set(sys.modules), {}
    sys.path.insert(0, str(folder))
    try:
        yield digests
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
        for name in sorted(set(sys.modules) - known):
            top = name.partition(".")[0]
            places = [*getattr(sys.modules.get(top), "__path__", []), getattr(sys.modules.get(top), "__file__", None)]
            if top not in known and any(place and Path(place).parent == folder for place in places):
                source = getattr(sys.modules[name], "__file__", None)
                digests[name] = _sha256(Path(source)) if source else "a folder"
        for name in digests:
            del sys.modules[name]


def _module(group: str, place: str, seconds: float) -> tuple[ModuleType, dict]:
    """The module of a package, read again if it was imported before: what runs is the source that is hashed."""
    with _importing(group, repr(place), seconds):
        known = place in sys.modules
        try:
            module = importlib.import_module(place)
        except ImportError as error:
            raise InputError(f"group {group!r}: the module {place!r} cannot be imported: {error}.") from error
        file = getattr(module, "__file__", None)
        if not file or module.__spec__ is None:  # built in, or a program that is running
            return module, {"source": _sha256(Path(file)) if file else "built in"}
        digest = _sha256(Path(file))
        if known and _digests.get(place) != digest:
            module = importlib.reload(module)
        _digests[place] = digest
    return module, {"source": digest}
