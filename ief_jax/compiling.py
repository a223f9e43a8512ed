"""Functions compiled with XLA's options for the CPU, where these are known to help.

Options belong to whole programs. Within another function that is being traced or differentiated,
a function here is what `jax.jit` makes of it.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax

P = ParamSpec("P")
Result = TypeVar("Result")

LEAN = {"xla_cpu_use_fusion_emitters": False}
"""XLA's older emitters of fused loops: bodies' programs are compiled in about half the time by them
and are as fast."""
QUICK = {**LEAN, "xla_backend_optimization_level": 0}
"""And without LLVM's optimisations: a fifth of the time, for a program that is half as fast."""


def jit(
    function: Callable[P, Result],
    options: dict[str, Any],
    static_argnums: tuple[int, ...] = (),
    donate_argnums: tuple[int, ...] = (),
) -> Callable[P, Result]:
    """As `jax.jit`, with compiler options on the CPU, if this XLA has them.

    Args:
      function: to compile; pure.
      options: `LEAN` or `QUICK`.
      static_argnums: as `jax.jit` has them.
      donate_argnums: likewise.
    """
    plain = jax.jit(function, static_argnums=static_argnums, donate_argnums=donate_argnums)
    chosen = jax.jit(
        function,
        static_argnums=static_argnums,
        donate_argnums=donate_argnums,
        compiler_options=options,
    )

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        if not runs_on_cpu((args, kwargs)):
            return plain(*args, **kwargs)
        try:
            return chosen(*args, **kwargs)
        except jax.errors.JaxRuntimeError as error:
            if "No such compile option" not in str(error):
                raise
            return plain(*args, **kwargs)

    return call


def runs_on_cpu(arguments: Any) -> bool:
    """Whether a function with these arguments is run now, on the CPU, and not traced or
    differentiated within another one."""
    if jax.default_backend() != "cpu":
        return False
    # Within `jax.jit` all arrays that are made are traced, where no argument is, too.
    leaves = [*jax.tree.leaves(arguments), jax.device_put(0.0)]
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
