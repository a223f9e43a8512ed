"""The checks at the borders: what passes, what is refused and how; and JAX goes through."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ief_jax import checks

POINTS = "[N, 18, 2] keypoints, pixels"


@pytest.mark.parametrize(
    ("checked", "sizes"),
    [
        ((np.zeros((3, 18, 2)), POINTS), {}),
        ((np.zeros((3, 18, 2), np.uint8), POINTS), {"N": 3}),
        ((jnp.zeros((3, 18, 2), jnp.bfloat16), POINTS), {}),
        (([[1, 2.5], [3, 4]], "[N, 2]"), {"N": 2}),
        ((3.5, "[] a scale"), {}),
        ((np.float32(2), "[]"), {}),
        ((np.zeros((4, 5, 3, 2)), "[..., K, 2]"), {"K": 3}),
        ((np.zeros((3, 2)), "[..., K, 2]"), {}),
        ((np.zeros(3, bool), "bool [N]"), {}),
        ((np.arange(3), "int [N]"), {}),
        ((jax.ShapeDtypeStruct((2, 2), np.float32), "[S, S]"), {}),
    ],
)
def test_what_is_expected_passes(checked: tuple[object, str], sizes: dict[str, int]) -> None:
    checks.arrays(("a", *checked), **sizes)


@pytest.mark.parametrize(
    ("checked", "sizes", "message"),
    [
        ((np.zeros((3, 17, 2)), POINTS), {}, f"a: expected {POINTS}, got float64 (3, 17, 2)"),
        ((np.zeros((18, 2)), POINTS), {}, f"a: expected {POINTS}, got float64 (18, 2)"),
        (
            (np.zeros((3, 18, 2), np.float32), POINTS),
            {"N": 4},
            f"a: expected {POINTS} (N = 4), got float32 (3, 18, 2)",
        ),
        (
            (np.zeros((3, 18, 2), bool), POINTS),
            {},
            f"a: expected real numbers {POINTS}, got bool (3, 18, 2)",
        ),
        ((np.zeros(2, complex), "[N]"), {}, "a: expected real numbers [N], got complex128 (2,)"),
        ((np.array(["x"]), "[N]"), {}, "a: expected real numbers [N], got <U1 (1,)"),
        ((np.zeros(2), "bool [N]"), {}, "a: expected bool [N], got float64 (2,)"),
        ((np.zeros(2), "int [N]"), {}, "a: expected int [N], got float64 (2,)"),
        ((np.zeros((3, 2)), "[S, S]"), {}, "a: expected [S, S], equal S, got (3, 2)"),
        ((np.zeros(2), "[..., K, 2]"), {}, "a: expected [..., K, 2], got float64 (2,)"),
        (("text", "[N]"), {}, "a: expected [N], got 'text'"),
        ((None, "[N]"), {}, "a: expected [N], got None"),
        (([[1], [2, 3]], "[N, M]"), {}, "a: expected [N, M], got [[1], [2, 3]]: "),
        ((1.0, "[N]"), {}, "a: expected [N], got float64 ()"),
    ],
)
def test_what_is_not_expected_is_named(
    checked: tuple[object, str], sizes: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        checks.arrays(("a", *checked), **sizes)


def test_a_name_stands_for_one_size() -> None:
    points, confidence = np.zeros((3, 18, 2)), np.zeros((3, 18))
    checks.arrays(("points", points, "[N, K, 2]"), ("confidence", confidence, "[N, K]"))
    message = "confidence: expected [N, K] (N = 3, K = 18), got float64 (2, 18)"
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        checks.arrays(("points", points, "[N, K, 2]"), ("confidence", confidence[:2], "[N, K]"))
    # In the next call it stands for another.
    checks.arrays(("points", points[:2], "[N, K, 2]"))


def test_jax_goes_through() -> None:
    def norm(points: jax.Array) -> jax.Array:
        checks.arrays(("points", points, "[K, 2]"))
        assert checks.values(points) is None
        return jnp.sqrt((points**2).sum())

    points = jnp.arange(12.0).reshape(3, 2, 2) + 1
    each = np.linalg.norm(points.reshape(3, -1), axis=1)
    np.testing.assert_allclose(jax.jit(jax.vmap(norm))(points), each, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(norm)(points[0]), points[0] / each[0], rtol=1e-6)
    # A number of keypoints that is not known yet
    shape = jax.export.symbolic_shape("k, 2")
    program = jax.export.export(jax.jit(norm))(jax.ShapeDtypeStruct(shape, np.float32))
    np.testing.assert_allclose(program.call(points[0]), each[0], rtol=1e-6)
    for transformed in (jax.jit(norm), jax.vmap(norm), jax.grad(norm)):
        with pytest.raises(ValueError, match=r"points: expected \[K, 2\], got float32 "):
            transformed(jnp.zeros((2, 3, 3, 2)))
    # Lists of traced numbers too
    checked = jax.jit(lambda a, b: checks.arrays(("pair", [a, b], "[2]")))
    assert checked(1.0, 2.0) is None


def test_checks_are_not_part_of_the_program() -> None:
    def checked(points: jax.Array) -> jax.Array:
        checks.arrays(("points", points, "[K, 2]"))
        checks.same("points", {"a": points}, {"a": points}, "itself")
        return 2 * points

    point = jnp.zeros((4, 2))
    plain = jax.make_jaxpr(lambda points: 2 * points)(point)
    assert str(jax.make_jaxpr(checked)(point)) == str(plain)


def test_trees_are_compared_leaf_by_leaf() -> None:
    checks.same("e", {"a": 1.0, "b": np.zeros(3, int)}, {"a": np.zeros(()), "b": jnp.ones(3)}, "y")
    for wrong in ({"a": np.zeros(3)}, {"a": np.zeros(2), "b": 1.0}, np.zeros(2)):
        with pytest.raises(ValueError, match=r"^e: expected like y, \{'a': \(2,\)\}, got "):
            checks.same("e", wrong, {"a": np.zeros(2)}, "like y")


def test_counts_are_integers() -> None:
    for number in (0, 3, np.int64(2)):
        checks.count("steps", number)
    for wrong in (-1, True, 1.0, "2", None):
        message = f"steps: expected an integer, 0 or more, got {wrong!r}"
        with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
            checks.count("steps", wrong)
    with pytest.raises(ValueError, match="1 or more, got 0"):
        checks.count("steps", 0, least=1)
    with pytest.raises(ValueError, match="steps: expected an integer"):
        jax.jit(lambda steps: checks.count("steps", steps))(3)


def test_values_are_there_or_not() -> None:
    np.testing.assert_array_equal(checks.values(jnp.arange(3)), [0, 1, 2])
    np.testing.assert_array_equal(checks.values([1.5]), [1.5])
