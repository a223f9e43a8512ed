"""Makes `docs/example/`: a synthetic photograph, its keypoints, and frames of a kick.

    pip install -e '.[data]' && python -m docs.make_example

The person is one of the synthetic data set's (`data/synthetic`), rendered at three times its
resolution and cut out. Nobody is shown, and all of it is under the project's own licence.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from data.keypoints.people import decode
from data.synthetic import scenes
from data.synthetic.rays import project
from ief_jax.body import joints, model_files, pose_prior
from ief_jax.geometry import rotations
from ief_jax.geometry.skeletons import BODY_25, MPII_16, selection
from ief_jax.lgd import synthetic_views

FOLDER = Path(__file__).parent / "example"
SEED, NUMBER = 77, 23_086
ZOOM = 3.0
SIZE = np.array([600, 640])
"""Width and height of the photograph that is cut out, pixels."""
FRAMES = 8
NOISE = 2.0
"""Standard deviation of the keypoints' noise, pixels."""


def main() -> None:
    """Writes all files."""
    made = scenes.cast()
    (seed,) = scenes.seeds(SEED, np.array([2 * NUMBER]))
    (person,) = scenes.people(1, SEED, NUMBER, ZOOM)
    photograph = decode(person.image, person.name)
    corner = np.round((person.points.min(0) + person.points.max(0) - SIZE) / 2)
    corner = np.clip(corner, 0, photograph.size - SIZE)
    box = (*corner.tolist(), *(corner + SIZE).tolist())
    (FOLDER / "frames").mkdir(parents=True, exist_ok=True)
    photograph.crop(box).save(FOLDER / "photo.jpg", quality=88)

    # The same camera: the same random numbers
    rng = np.random.default_rng([SEED, NUMBER])
    mpii = _moved(seed, np.ones(1), MPII_16)[0]
    offset, view = scenes.camera(rng, made, mpii, ZOOM)
    rng = np.random.default_rng(0)
    # From standing to the kick, and the kick once more as what is in the photograph
    shares = np.append(np.linspace(0, 1, FRAMES), 1.0)
    paths = [FOLDER / "frames" / f"frame_{n:03}_keypoints.json" for n in range(FRAMES)]
    for path, points in zip(
        [*paths, FOLDER / "photo_keypoints.json"], _moved(seed, shares, BODY_25), strict=True
    ):
        pixels = project(view, points + offset) - corner
        pixels = pixels + rng.normal(0, NOISE, pixels.shape)
        _write(path, pixels, rng.uniform(0.75, 0.95, len(BODY_25)))


def _moved(seed: int, shares: np.ndarray, layout: tuple[str, ...]) -> np.ndarray:
    """Keypoints [N, K, 3] of the seed's body, posed by shares [N] of its pose, as it is seen."""
    model = joints.fold(model_files.embedded())
    read = selection(layout, model.names)
    # As `bodies.drawing` does
    pose_key, shape_key, view_key = jax.random.split(jax.random.key(seed), 3)
    betas = jax.random.normal(shape_key, (model.betas,))
    pose = pose_prior.sample(pose_prior.embedded(), pose_key)
    view = synthetic_views.random_view(view_key, jnp.eye(3))

    def posed(share: jax.Array) -> jax.Array:
        local = rotations.axis_angle_to_matrix(share * pose)
        local = local.at[0].set(view @ rotations.axis_angle_to_matrix(pose)[0])
        return jnp.asarray(read) @ joints.positions(model, local, betas)

    return np.asarray(jax.jit(jax.vmap(posed))(jnp.asarray(shares, jnp.float32)))


def _write(path: Path, points: np.ndarray, confidence: np.ndarray) -> None:
    """One frame with one person, as OpenPose writes it."""
    numbers = np.concatenate([points.round(1), confidence.round(3)[:, None]], 1).ravel().tolist()
    people = [{"person_id": [-1], "pose_keypoints_2d": [round(number, 3) for number in numbers]}]
    path.write_text(json.dumps({"version": 1.3, "people": people}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
