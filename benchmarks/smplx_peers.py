"""Fitting with PyTorch over smplx, as its users do it: what `benchmarks.fit` compares with.

Both work on the whole mesh and differentiate by autograd, as smplx has it.
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

SIZES = (69, 10, 3, 2, 1)
"""Of Theta: pose, betas, global rotation, translation, log-scale."""


class Reprojection(nn.Module):
    """Theta [N, 85] to the error of the 18 keypoints, by way of smplx's mesh."""

    def __init__(self, body: smpl.BodyModel):
        super().__init__()
        self.model = smplx_model(body)
        points = (*smpl.JOINT_NAMES, *body.landmark_names)
        selection = torch.tensor(skeletons.selection(skeletons.COCO_18, points))
        self.register_buffer("selection", selection)
        self.register_buffer("landmarks", torch.tensor(np.array(body.landmarks), dtype=torch.long))

    def forward(
        self, theta: torch.Tensor, points: torch.Tensor, confidence: torch.Tensor
    ) -> torch.Tensor:
        """The confidence-weighted, robust error of each example, [N]."""
        pose, betas, rotation, translation, scale = theta.split(SIZES, dim=1)
        output = self.model(betas=betas, body_pose=pose, global_orient=rotation)
        joints = output.joints[:, : smpl.JOINTS] - output.joints[:, :1]
        marks = output.vertices[:, self.landmarks] - output.joints[:, :1]
        keypoints = torch.matmul(self.selection, torch.cat([joints, marks], 1))
        flip = torch.tensor([1.0, -1.0])
        seen = 1.1 * scale.exp()[..., None] * keypoints[..., :2] * flip + translation[:, None]
        squared = ((seen - points) ** 2).sum(-1) / 0.1**2
        return (confidence * 2 * 0.1**2 * (torch.sqrt(1 + squared) - 1)).sum(1)


class Updater(nn.Module):
    """N_w: two residual blocks between an input and an output layer, 4.3 M parameters."""

    def __init__(self, width: int = 1000):
        super().__init__()
        self.first = nn.Linear(2 * sum(SIZES) + 18 * 3, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
            for _ in range(2)
        )
        self.last = nn.Linear(width, sum(SIZES))
        nn.init.normal_(self.last.weight, std=1e-3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """[N, 224] to the update [N, 85]."""
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
