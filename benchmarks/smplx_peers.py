"""Fitting with PyTorch over smplx: what `benchmarks.fit` compares with.

By autograd, and by way of the whole mesh, as smplx's users do it; or of the landmarks' vertices
alone, which smplx does not offer: what is left of the difference when neither has to make a mesh.
"""

import pickle
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ief_jax.body import model_files, smpl
from ief_jax.geometry import skeletons

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import smplx
    from smplx import lbs

SIZES = (69, 10, 3, 2, 1)
"""Of Theta: pose, betas, global rotation, translation, log-scale."""


class Mesh(nn.Module):
    """Betas, pose and global rotation to the joints and landmarks [N, P, 3], by smplx's mesh."""

    def __init__(self, body: smpl.BodyModel):
        super().__init__()
        self.model = smplx_model(body)
        self.register_buffer("landmarks", torch.tensor(np.array(body.landmarks), dtype=torch.long))

    def forward(
        self, betas: torch.Tensor, pose: torch.Tensor, rotation: torch.Tensor
    ) -> torch.Tensor:
        output = self.model(betas=betas, body_pose=pose, global_orient=rotation)
        return torch.cat([output.joints[:, : smpl.JOINTS], output.vertices[:, self.landmarks]], 1)


class PointsOnly(nn.Module):
    """As `Mesh`, with smplx's functions, but no vertex is computed that is not a landmark."""

    def __init__(self, body: smpl.BodyModel):
        super().__init__()
        model = smplx_model(body)
        chosen = torch.tensor(np.array(body.landmarks), dtype=torch.long)
        self.parents = model.parents
        # J(beta) = J_T + J_S beta
        joint_template = model.J_regressor @ model.v_template
        joint_shapes = torch.einsum("jv,vcb->jcb", model.J_regressor, model.shapedirs)
        pose_directions = model.posedirs.reshape(len(model.posedirs), -1, 3)[:, chosen]
        self.register_buffer("joint_template", joint_template)
        self.register_buffer("joint_shapes", joint_shapes)
        self.register_buffer("template", model.v_template[chosen])
        self.register_buffer("shapes", model.shapedirs[chosen])
        self.register_buffer("pose_directions", pose_directions.flatten(1))
        self.register_buffer("weights", model.lbs_weights[chosen])

    def forward(
        self, betas: torch.Tensor, pose: torch.Tensor, rotation: torch.Tensor
    ) -> torch.Tensor:
        vectors = torch.cat([rotation, pose], 1).reshape(-1, 3)
        local = lbs.batch_rodrigues(vectors).reshape(len(betas), -1, 3, 3)
        joints = self.joint_template + lbs.blend_shapes(betas, self.joint_shapes)
        posed, transforms = lbs.batch_rigid_transform(local, joints, self.parents)
        feature = (local[:, 1:] - torch.eye(3)).flatten(1)
        rest = self.template + lbs.blend_shapes(betas, self.shapes)
        rest = rest + (feature @ self.pose_directions).reshape(rest.shape)
        skinned = torch.einsum("vk,nkij->nvij", self.weights, transforms)
        landmarks = (skinned[..., :3, :3] @ rest[..., None])[..., 0] + skinned[..., :3, 3]
        return torch.cat([posed, landmarks], 1)


class Reprojection(nn.Module):
    """Theta [N, 85] to the error of the 27 keypoints, by way of the mesh or of `points`."""

    def __init__(self, body: smpl.BodyModel, points: nn.Module | None = None):
        super().__init__()
        self.points = Mesh(body) if points is None else points
        names = (*smpl.JOINT_NAMES, *body.landmark_names)
        self.register_buffer(
            "selection", torch.tensor(skeletons.selection(skeletons.UNION_27, names))
        )

    def forward(
        self, theta: torch.Tensor, points: torch.Tensor, confidence: torch.Tensor
    ) -> torch.Tensor:
        """The confidence-weighted, robust error of each example, [N]."""
        pose, betas, rotation, translation, scale = theta.split(SIZES, dim=1)
        everything = self.points(betas, pose, rotation)
        keypoints = torch.matmul(self.selection, everything - everything[:, :1])
        flip = torch.tensor([1.0, -1.0])
        seen = 1.1 * scale.exp()[..., None] * keypoints[..., :2] * flip + translation[:, None]
        squared = ((seen - points) ** 2).sum(-1) / 0.1**2
        return (confidence * 2 * 0.1**2 * (torch.sqrt(1 + squared) - 1)).sum(1)


class Updater(nn.Module):
    """N_w: two residual blocks between an input and an output layer, 4.3 M parameters."""

    def __init__(self, width: int = 1000):
        super().__init__()
        self.first = nn.Linear(2 * sum(SIZES) + 27 * 3, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
            for _ in range(2)
        )
        self.last = nn.Linear(width, sum(SIZES))
        nn.init.normal_(self.last.weight, std=1e-3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """[N, 251] to the update [N, 85]."""
        x = torch.relu(self.first(features))
        for block in self.blocks:
            x = x + block(x)
        return self.last(x)


def learned_gradient_descent(
    reprojection: Reprojection,
    updater: Updater,
    points: torch.Tensor,
    confidence: torch.Tensor,
    steps: int = 4,
) -> torch.Tensor:
    """LGD (Song et al. 2020, Algorithm 1): the gradient by autograd, the update by N_w."""
    theta = torch.zeros(len(points), sum(SIZES))
    for _ in range(steps):
        theta.requires_grad_(True)
        error = reprojection(theta, points, confidence).sum()
        (gradient,) = torch.autograd.grad(error, theta)
        with torch.no_grad():
            features = torch.cat([gradient, theta, points.flatten(1), confidence], 1)
            theta = theta + updater(features)
    return theta


def adam(
    reprojection: Reprojection,
    points: torch.Tensor,
    confidence: torch.Tensor,
    iterations: int = 100,
) -> torch.Tensor:
    """The loop that people write: Adam on the reprojection error and a pull to the mean body."""
    theta = torch.zeros(len(points), sum(SIZES), requires_grad=True)
    optimiser = torch.optim.Adam([theta], lr=0.03)
    for _ in range(iterations):
        optimiser.zero_grad()
        error = reprojection(theta, points, confidence).sum() + 1e-3 * (theta[:, :79] ** 2).sum()
        error.backward()
        optimiser.step()
    return theta.detach()


def smplx_model(body: smpl.BodyModel) -> nn.Module:
    """smplx's own model of a body."""
    with tempfile.TemporaryDirectory() as folder:
        model_files.save_npz(body, Path(folder) / "body.npz")
        with np.load(Path(folder) / "body.npz") as file:
            fields = {name: file[name] for name in file.files}
        path = Path(folder) / "SMPL_NEUTRAL.pkl"
        path.write_bytes(pickle.dumps(fields, protocol=2))
        model = smplx.SMPL(str(path), create_body_pose=False, create_betas=False)
    return model.requires_grad_(False)
