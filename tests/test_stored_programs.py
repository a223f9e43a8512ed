"""Programs that are kept between processes: found again, and only where they are the same."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax import closures, stored_programs

VALUES = {"a": np.arange(3, dtype=np.float32), "b": np.float32(2)}
TRACED: list[int] = []


@stored_programs.writable
class Powers(NamedTuple):
    """What the program makes."""

    power: jax.Array
    nothing: None
    parts: dict[str, jax.Array]


def powers(exponent: int, values: dict[str, jax.Array]) -> Powers:
    TRACED.append(exponent)
    return Powers(values["a"] ** exponent, None, {"b": values["b"] + 1})


def made() -> Callable[..., Powers]:
    """As of a new process, which has traced nothing."""
    TRACED.clear()
    return stored_programs.jit(powers, {}, static_argnums=(0,))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    names = ("jax_compilation_cache_dir", "jax_enable_compilation_cache")
    before = {name: jax.config.values[name] for name in names}
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "kept"))
    yield tmp_path / "kept"
    for name, value in before.items():
        jax.config.update(name, value)


def programs(folder: Path) -> list[Path]:
    return sorted(folder.glob("program-*"))


def check(found: Powers, exponent: int = 2) -> None:
    assert isinstance(found, Powers) and found.nothing is None
    np.testing.assert_allclose(found.power, np.arange(3) ** exponent)
    np.testing.assert_allclose(found.parts["b"], 3)


def test_another_process_does_not_trace_again(folder: Path) -> None:
    run = made()
    check(run(2, VALUES))
    assert TRACED == [2] and len(programs(folder)) == 1
    check(run(2, VALUES))
    assert TRACED == [2]
    check(made()(2, VALUES))
    assert TRACED == []


def test_of_several_threads_one_makes_the_program(folder: Path) -> None:
    run = made()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: run(2, VALUES), range(8)):
            check(found)
    assert TRACED == [2]
    assert len(programs(folder)) == 1


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:-7], lambda c: c[:-1] + b"?"])
def test_a_damaged_file_is_made_again(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    check(made()(2, VALUES))
    (path,) = programs(folder)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    check(made()(2, VALUES))
    assert TRACED == [2]
    check(made()(2, VALUES))
    assert TRACED == []


def test_what_differs_is_another_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(made()(2, VALUES))
    check(made()(3, VALUES), 3)
    longer = {**VALUES, "a": np.arange(4, dtype=np.float32)}
    assert made()(2, longer).power.shape == (4,)
    whole = {**VALUES, "a": np.arange(3, dtype=np.int32)}
    assert made()(2, whole).power.dtype == np.int32
    assert made()(2, {**VALUES, "c": VALUES["b"]}).power.shape == (3,)
    monkeypatch.setattr(closures, "source", lambda packages: "another")
    check(made()(2, VALUES))
    assert TRACED == [2] and len(programs(folder)) == 6


def test_nothing_is_kept_where_the_cache_is_off(folder: Path) -> None:
    jax.config.update("jax_compilation_cache_dir", None)
    check(made()(2, VALUES))
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_enable_compilation_cache", False)
    check(made()(2, VALUES))
    assert not programs(folder)


def test_what_cannot_be_written_is_run(folder: Path) -> None:
    folder.write_text("no folder")
    check(made()(2, VALUES))


def test_within_another_function_it_is_a_part_of_that(folder: Path) -> None:
    def total(a: Any) -> jax.Array:
        return made()(3, {"a": a, "b": jnp.float32(2)}).power.sum()

    # d a^3 = 3 a^2
    np.testing.assert_allclose(jax.jit(jax.grad(total))(VALUES["a"]), [0, 3, 12])
    np.testing.assert_allclose(jax.grad(total)(VALUES["a"]), [0, 3, 12])
    assert not programs(folder)


def test_arrays_without_a_certain_dtype_are_traced_as_they_are(folder: Path) -> None:
    # A weakly typed number, unlike a float32, leaves a bfloat16 what it is.
    run = stored_programs.jit(lambda a, b: a * b, {})
    assert run(jnp.ones(2, jnp.bfloat16), jnp.asarray(2.0)).dtype == jnp.bfloat16
    assert not programs(folder)


def test_what_is_closed_over_tells_programs_apart(folder: Path) -> None:
    def times(factor: Any) -> Callable[..., jax.Array]:
        TRACED.clear()

        def of(step: int, value: jax.Array, other: jax.Array) -> jax.Array:
            TRACED.append(step)
            return factor * value + other

        return stored_programs.jit(of, {}, static_argnums=(0,), donate_argnums=(2,))

    for factor, traced in ((2, [1]), (2, []), (np.arange(2), [1]), (np.arange(2), []), (3, [1])):
        given, given_up = jnp.arange(2.0), jnp.ones(2)
        np.testing.assert_allclose(times(factor)(1, given, given_up), factor * np.arange(2) + 1)
        assert traced == TRACED and given_up.is_deleted() and not given.is_deleted()
    assert len(programs(folder)) == 3
    # Not kept, for nobody knows whether it is the same next time.
    unknown = object()
    plain = stored_programs.jit(lambda value: value if unknown else -value, {})
    plain(jnp.ones(2))
    assert len(programs(folder)) == 3


def test_programs_that_were_used_longest_ago_are_deleted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(made()(5, VALUES), 5)
    (first,) = programs(folder)
    monkeypatch.setattr(stored_programs, "MOST_KEPT", int(2.5 * first.stat().st_size))
    first.unlink()
    paths: list[Path] = []
    for exponent in (2, 3):
        check(made()(exponent, VALUES), exponent)
        (new,) = set(programs(folder)) - set(paths)
        paths.append(new)
        os.utime(new, (exponent, exponent))
    check(made()(2, VALUES))  # used again
    check(made()(4, VALUES), 4)
    assert paths[0] in programs(folder) and paths[1] not in programs(folder)
    assert len(programs(folder)) == 2
