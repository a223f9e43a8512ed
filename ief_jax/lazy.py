"""Packages whose names and modules are imported when they are first asked for (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def names(
    package: str, path: list[str], public: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__`: its public names, and its modules.

    Args:
      package: its `__name__`.
      path: its `__path__`.
      public: "module.name", the module relative to the package, by public name.
    """

    def get(name: str) -> Any:
        if name in public:
            module, _, attribute = public[name].rpartition(".")
            return getattr(importlib.import_module(f"{package}.{module}"), attribute)
        module = f"{package}.{name}"
        if not name.startswith("_"):
            try:
                return importlib.import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    def everything() -> list[str]:
        import pkgutil

        modules = (module.name for module in pkgutil.iter_modules(path))
        return sorted({*vars(sys.modules[package]), *public, *modules})

    return get, everything
