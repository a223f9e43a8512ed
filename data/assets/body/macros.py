"""MakeHuman's macro parameters: from gender, age, weight ... to morph target coefficients.

A macro target such as `universal-female-young-maxmuscle-minweight` is weighted by the product
of one linear hat function for each word of its name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data.assets.body.arrays import FloatArray
from data.assets.body.assets import Assets

AGES = ("young", "old")
GENDERS = ("female", "male")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")
HEIGHTS = ("minheight", "maxheight")
PROPORTIONS = ("uncommonproportions", "idealproportions")
RACES = ("african", "asian", "caucasian")
CUPS = ("mincup", "averagecup", "maxcup")
FIRMNESSES = ("minfirmness", "averagefirmness", "maxfirmness")

# Pairs of targets (<name>-incr, <name>-decr) that vary one measure each. The means give adults'
# proportions: de Leva (1996), table 4, mean of both sexes.
LENGTH_MEASURES = {  # name: mean and standard deviation of the coefficient
    "arms/measure-upperarm-length": (0.49, 0.10),
    "arms/measure-lowerarm-length": (0.41, 0.10),
    "legs/measure-upperleg-height": (0.08, 0.10),
    "legs/measure-lowerleg-height": (-0.06, 0.10),
    "torso/measure-napetowaist-dist": (0.60, 0.15),
    "torso/measure-shoulder-dist": (0.0, 0.25),
    "hip/hip-scale-horiz": (0.0, 0.25),
    "neck/measure-neck-height": (0.0, 0.20),
}
GIRTH_MEASURES = (
    "torso/measure-waist-circ",
    "torso/measure-hips-circ",
    "torso/measure-bust-circ",
    "torso/measure-underbust-circ",
    "legs/measure-thigh-circ",
    "legs/measure-calf-circ",
    "arms/measure-upperarm-circ",
    "neck/measure-neck-circ",
)
TONE_MEASURE = "stomach/stomach-tone"


@dataclass(frozen=True)
class MacroTarget:
    """A morph target `name` and the factors whose product is its coefficient."""

    name: str
    factors: tuple[str, ...]


def macro_targets(has_target: Callable[[str], bool]) -> list[MacroTarget]:
    """All adult macro targets for which `has_target(name)` holds."""
    targets = []
    for gender, age, muscle, weight in itertools.product(GENDERS, AGES, MUSCLES, WEIGHTS):
        shape = (gender, age, muscle, weight)
        stem = f"{gender}-{age}-{muscle}-{weight}"
        targets.append(MacroTarget(f"macrodetails/universal-{stem}", shape))
        for height in HEIGHTS:
            name = f"macrodetails/height/{stem}-{height}"
            targets.append(MacroTarget(name, (*shape, height)))
        for proportions in PROPORTIONS:
            name = f"macrodetails/proportions/{stem}-{proportions}"
            targets.append(MacroTarget(name, (*shape, proportions)))
        if gender == "female":
            for cup, firmness in itertools.product(CUPS, FIRMNESSES):
                name = f"breast/{stem}-{cup}-{firmness}"
                targets.append(MacroTarget(name, (*shape, cup, firmness)))
    for race, gender, age in itertools.product(RACES, GENDERS, AGES):
        targets.append(MacroTarget(f"macrodetails/{race}-{gender}-{age}", (race, gender, age)))
    return [target for target in targets if has_target(target.name)]


def hat_weights(value: FloatArray) -> FloatArray:
    """Weights [3, ...] of the lowest, middle and highest target for `value` [...] in 0..1.

    They sum to one for values in 0..1. Above 1 the highest goes on growing and the middle one
    turns negative, that is, the shape is extrapolated linearly.
    """
    low = np.maximum(1 - 2 * value, 0)
    high = np.maximum(2 * value - 1, 0)
    return np.stack([low, 1 - low - high, high])


@dataclass(frozen=True)
class MacroParameters:
    """Macro parameters of N bodies, each [N] in 0..1 (weight up to 1.3); race is [N, 3].

    gender: 0 female, 1 male; age: 0 young (25 years) to 1 old (90 years).
    """

    gender: FloatArray
    age: FloatArray
    muscle: FloatArray
    weight: FloatArray
    height: FloatArray
    proportions: FloatArray
    cup: FloatArray
    firmness: FloatArray
    race: FloatArray

    def factors(self) -> dict[str, FloatArray]:
        """The hat function of every word in the targets' names, each [N]."""
        factors = {
            "female": 1 - self.gender,
            "male": self.gender,
            "young": 1 - self.age,
            "old": self.age,
        }
        triples: tuple[tuple[tuple[str, ...], FloatArray], ...] = (
            (MUSCLES, self.muscle),
            (WEIGHTS, self.weight),
            (CUPS, self.cup),
            (FIRMNESSES, self.firmness),
        )
        for words, value in triples:
            factors.update(zip(words, hat_weights(value), strict=True))
        for pair, value in ((HEIGHTS, self.height), (PROPORTIONS, self.proportions)):
            low, _, high = hat_weights(value)  # the average has no target of its own
            factors.update(zip(pair, (low, high), strict=True))
        factors.update(zip(RACES, self.race.T, strict=True))
        return factors


def macro_coefficients(parameters: MacroParameters, targets: list[MacroTarget]) -> FloatArray:
    """Coefficients [N, T] of the targets."""
    factors = parameters.factors()
    columns = [np.prod([factors[word] for word in t.factors], axis=0) for t in targets]
    return np.stack(columns, axis=1)


def sample_parameters(rng: np.random.Generator, count: int) -> MacroParameters:
    """Draws `count` adults. The spread of height and weight is set by eye to that of people."""

    def around_half(spread: float) -> FloatArray:
        return np.clip(rng.normal(0.5, spread, count), 0.02, 0.98)

    gender = rng.beta(0.6, 0.6, count)
    age = 0.85 * rng.beta(1.2, 2.0, count)
    muscle = around_half(0.17)
    weight = np.clip(rng.normal(0.72, 0.33, count), 0.02, 1.3)
    proportions = np.clip(rng.normal(0.6, 0.2, count), 0, 1)
    cup = around_half(0.14)
    firmness = around_half(0.18)
    race = rng.dirichlet([1.0, 1.0, 1.0], count)
    metres = rng.normal(-0.03, 0.062, count)  # change of height
    # One unit of the height macro is 1.45 m above its middle and 0.73 m below.
    height = np.clip(0.5 + metres / np.where(metres > 0, 1.45, 0.73), 0, 1)
    return MacroParameters(gender, age, muscle, weight, height, proportions, cup, firmness, race)


def sample_measures(rng: np.random.Generator, count: int) -> tuple[list[str], FloatArray]:
    """Names and coefficients [count, T] >= 0 of the targets of lengths and girths."""
    girth = rng.normal(0.25, 0.5, count)  # shared by all girths: MakeHuman's adults are thin
    values: dict[str, FloatArray] = {}
    for name, (mean, spread) in LENGTH_MEASURES.items():
        values[name] = rng.normal(mean, spread, count)
    for name in GIRTH_MEASURES:
        values[name] = np.clip(girth + rng.normal(0, 0.3, count), -1, 1.3)
    values[TONE_MEASURE] = rng.normal(0, 0.25, count)
    names, columns = [], []
    for name, value in values.items():
        names += [f"{name}-incr", f"{name}-decr"]
        columns += [np.maximum(value, 0), np.maximum(-value, 0)]
    return names, np.stack(columns, axis=1)


def sample_bodies(
    assets: Assets, base_vertices: FloatArray, rng: np.random.Generator, count: int
) -> FloatArray:
    """Vertices [count, N, 3] in metres of randomly drawn adults in MakeHuman's A-pose."""
    parameters = sample_parameters(rng, count)
    targets = macro_targets(assets.has_target)
    measure_names, measure_coefficients = sample_measures(rng, count)
    names = [target.name for target in targets] + measure_names
    coefficients = np.concatenate(
        [macro_coefficients(parameters, targets), measure_coefficients], axis=1
    )
    vertex_count = len(base_vertices)
    displacements = np.stack(
        [assets.target(name, vertex_count).astype(np.float32).ravel() for name in names]
    )
    bodies = coefficients.astype(np.float32) @ displacements
    return bodies.reshape(count, vertex_count, 3) + base_vertices.astype(np.float32)
