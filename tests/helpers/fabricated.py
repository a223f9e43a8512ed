"""Bodies and files made up for the tests."""

import numpy as np

from ief_jax.body import model_files


def smpl_fields(vertices: int = 30, betas: int = 10, seed: int = 0) -> dict[str, np.ndarray]:
    """The arrays of an SMPL-format file with random contents and SMPL's skeleton."""
    rng = np.random.default_rng(seed)
    parents = np.array(model_files.PARENTS)
    return {
        "v_template": rng.normal(0, 0.4, (vertices, 3)),
        "shapedirs": rng.normal(0, 0.02, (vertices, 3, betas)),
        "posedirs": rng.normal(0, 0.003, (vertices, 3, 207)),
        "J_regressor": rng.dirichlet(np.full(vertices, 0.1), 24),
        "weights": rng.dirichlet(np.full(24, 0.1), vertices),
        "kintree_table": np.stack([parents, np.arange(24)]).astype(np.uint32),
        "f": rng.integers(0, vertices, (2 * vertices, 3), dtype=np.uint32),
    }
