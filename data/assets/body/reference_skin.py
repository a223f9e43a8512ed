"""A richer skin than SMPL's, as the ground truth for the pose blend shapes.

It starts from MakeHuman's own A-pose, splits limbs into twisting segments, blends dual
quaternions instead of matrices, and restores surface detail with Delta Mush (Mancewicz et al.
2014). Its only inputs are SMPL's 24 rotations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse

from data.assets.body.arrays import FloatArray, IntArray
from data.assets.body.assets import Rig
from data.assets.body.mesh import directed_edges
from data.assets.body.rotations import dual_quaternion_blend, from_axis_angle, twist_angle
from data.assets.body.skeleton import PARENTS, forward_kinematics, joint
from data.assets.body.skinning import joint_shares
from ief_jax.geometry.triangles import vertex_normals

CENTRAL_JOINTS = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
SMOOTHING_STEPS = 6
SMOOTHING_RATE = 0.6


@dataclass(frozen=True)
class Segment:
    """A rigid piece of the reference skin.

    joint: SMPL's joint that moves it; carrier: the MakeHuman bone that takes it from A- to
    T-pose. twist_joint: the joint whose twist about `axis` is distributed over the limb, or -1;
    share: how much of it this segment takes. It is the segment's own joint for upper arm and
    thigh (which then turns only `share` of its twist), the wrist for the forearm.
    """

    joint: int
    carrier: str
    twist_joint: int = -1
    share: float = 0.0
    axis: tuple[float, float, float] = (1.0, 0.0, 0.0)


def limb_segments() -> list[tuple[Segment, tuple[str, ...]]]:
    """The segments of both arms and legs, each with the MakeHuman bones that it unites.

    The last three of a side's list (hand, fingers, toes) unite all bones that ride on the
    joint, which is what an empty tuple stands for.
    """
    segments: list[tuple[Segment, tuple[str, ...]]] = []
    leg: tuple[float, float, float] = (0.0, -1.0, 0.0)
    for side, end in (("left", ".L"), ("right", ".R")):
        names = ("collar", "shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot")
        collar, shoulder, elbow, wrist, hand, hip, knee, ankle, foot = (
            joint(f"{side}_{name}") for name in names
        )
        table: list[tuple[Segment, tuple[str, ...]]] = [
            (Segment(collar, "clavicle"), ("clavicle",)),
            (Segment(collar, "shoulder01"), ("shoulder01",)),
            (Segment(shoulder, "upperarm01", shoulder, 0.35), ("upperarm01",)),
            (Segment(shoulder, "upperarm01"), ("upperarm02",)),
            (Segment(elbow, "lowerarm01", wrist, 0.15), ("lowerarm01",)),
            (Segment(elbow, "lowerarm02", wrist, 0.60), ("lowerarm02",)),
            (Segment(hip, "upperleg01", hip, 0.40, leg), ("upperleg01",)),
            (Segment(hip, "upperleg01"), ("upperleg02",)),
            (Segment(knee, "lowerleg01"), ("lowerleg01", "lowerleg02")),
            (Segment(ankle, "foot"), ("foot",)),
            (Segment(wrist, "wrist"), ()),
            (Segment(hand, "wrist"), ()),
            (Segment(foot, "foot"), ()),
        ]
        for segment, bones in table:
            named = Segment(
                segment.joint, segment.carrier + end, segment.twist_joint, segment.share,
                segment.axis,
            )  # fmt: skip
            segments.append((named, tuple(bone + end for bone in bones)))
    return segments


class ReferenceSkin:
    """The reference skin of one body.

    rest: [V, 3] vertices in the A-pose; joints: [24, 3] in the T-pose;
    skin_weights: [V, B] of the rig; merged_weights: [V, 24], used for the torso and head;
    rotations, translations: [B, 3, 3] and [B, 3] of the rig from A- to T-pose.
    """

    def __init__(
        self,
        rig: Rig,
        rest: FloatArray,
        faces: IntArray,
        joints: FloatArray,
        skin_weights: FloatArray,
        merged_weights: FloatArray,
        rotations: FloatArray,
        translations: FloatArray,
    ) -> None:
        self.rest, self.faces, self.joints = rest, faces, joints
        central = [Segment(joint(name), "root") for name in CENTRAL_JOINTS]
        columns = [merged_weights[:, segment.joint] for segment in central]
        limbs = limb_segments()
        for segment, bones in limbs:
            column = np.zeros(len(rest))
            for i, bone in enumerate(rig.names):
                if not bones or bone in bones:
                    column += joint_shares(bone).get(segment.joint, 0.0) * skin_weights[:, i]
            columns.append(column)
        self.segments = central + [segment for segment, _ in limbs]
        self.weights = np.stack(columns, axis=1)
        if not np.allclose(self.weights.sum(axis=1), 1, atol=1e-6):
            raise ValueError("the segments do not share out all of the rig's weights")
        carriers = [rig.index(segment.carrier) for segment in self.segments]
        self.to_t_rotations = rotations[carriers]
        self.to_t_translations = translations[carriers]

        edges = directed_edges(faces)  # of a closed mesh: each edge in both directions
        edges = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
        self._edges = edges
        degrees = np.bincount(edges[:, 0], minlength=len(rest))
        shape = (len(rest), len(rest))
        self._average = sparse.csr_matrix(
            (1 / degrees[edges[:, 0]], (edges[:, 0], edges[:, 1])), shape=shape
        )
        self._smooth_rest = self._smoothed(rest)
        self._rest_normals = vertex_normals(self._smooth_rest, faces)

    def blended(self, rotations: FloatArray) -> FloatArray:
        """The skin [V, 3] posed by dual quaternion blending, before Delta Mush."""
        global_rotations, translations = forward_kinematics(rotations, self.joints)
        count = len(self.segments)
        segment_rotations = np.zeros((count, 3, 3))
        segment_translations = np.zeros((count, 3))
        for i, segment in enumerate(self.segments):
            k = segment.joint
            turn, shift = global_rotations[k], translations[k]
            if segment.twist_joint >= 0:
                axis = np.array(segment.axis)
                source = segment.twist_joint
                angle = twist_angle(rotations[source], axis)
                if source == k:  # upper arm and thigh: take back part of their own twist
                    part = rotations[k] @ from_axis_angle(-(1 - segment.share) * angle * axis)
                    base = PARENTS[k]
                else:  # forearm: take over part of the wrist's twist
                    part = from_axis_angle(segment.share * angle * axis)
                    base = k
                pivot = self.joints[source]
                turn = global_rotations[base] @ part
                shift = global_rotations[base] @ (pivot - part @ pivot) + translations[base]
            segment_rotations[i] = turn @ self.to_t_rotations[i]
            segment_translations[i] = turn @ self.to_t_translations[i] + shift
        return dual_quaternion_blend(
            self.rest, self.weights, segment_rotations, segment_translations
        )

    def posed(self, rotations: FloatArray, chosen: IntArray | None = None) -> FloatArray:
        """The skin [V, 3] posed by SMPL's relative `rotations` [24, 3, 3].

        With `chosen` [n] only these vertices [n, 3], which is cheaper.
        """
        if chosen is None:
            chosen = np.arange(len(self.rest))
        return self._delta_mush(self.blended(rotations), chosen)

    def _smoothed(self, vertices: FloatArray) -> FloatArray:
        for _ in range(SMOOTHING_STEPS):
            average = self._average @ vertices
            vertices = (1 - SMOOTHING_RATE) * vertices + SMOOTHING_RATE * average
        return vertices

    def _delta_mush(self, posed: FloatArray, chosen: IntArray) -> FloatArray:
        """Smooths `posed` [V, 3] and puts the rest pose's detail back in turned local frames."""
        smooth = self._smoothed(posed)
        wanted = np.zeros(len(posed), dtype=bool)
        wanted[chosen] = True
        start, end = self._edges[wanted[self._edges[:, 0]]].T
        degrees = np.bincount(start, minlength=len(posed))[wanted]
        first_edge = np.concatenate([[0], np.cumsum(degrees)[:-1]])
        rest_edges = self._smooth_rest[end] - self._smooth_rest[start]
        posed_edges = smooth[end] - smooth[start]
        products = posed_edges[:, :, None] * rest_edges[:, None, :]
        covariance = np.add.reduceat(products, first_edge, axis=0)
        # Normals keep the fit of a rotation well posed where the neighbourhood is flat.
        size = 0.5 * np.sqrt((covariance**2).sum(axis=(1, 2)))
        normals = vertex_normals(smooth, self.faces)[wanted]
        outer = normals[:, :, None] * self._rest_normals[wanted][:, None, :]
        left, _, right = np.linalg.svd(covariance + size[:, None, None] * outer)
        left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
        detail = (self.rest - self._smooth_rest)[wanted]
        result = smooth[wanted] + np.einsum("vij,vj->vi", left @ right, detail)
        return result[np.cumsum(wanted)[chosen] - 1]
