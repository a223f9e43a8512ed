"""`ief-jax body`: from photographs to the bodies of everybody in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ief_jax.cli import bodies, body_files, finding, keypoint_files, lenses, scenes, video
from ief_jax.cli.bodies import Gender
from ief_jax.cli.finding import Photographed
from ief_jax.cli.shared import Files, keep_compilations
from ief_jax.formats import detections
from ief_jax.formats.detections import Detections, FramePeople
from ief_jax.formats.meshes import MeshFormat
from ief_jax.formats.photographs import Album
from ief_jax.io import files
from ief_jax.io.files import InputError


def body(
    sources: Files,
    output: Path = Path("bodies"),
    keypoints: str = "movenet",
    checkpoint: str = "released",
    body: Path | None = None,
    gender: Gender = "neutral",
    focal: float | None = None,
    meshes: MeshFormat | None = "glb",
    pictures: bool = True,
    every_picture: bool = False,
    smooth: float = 1.0,
    strict: bool = False,
) -> None:
    """Find the people in photographs or a video, and fit a 3D body to each.

    Writes keypoints/NAME_keypoints.json as ief-jax keypoints does, bodies.npz, meshes/, pictures/
    or contact sheets and overlay.mp4 as ief-jax fit does, and scenes/NAME.jpg, everybody in a
    photograph. Of a video: overlay.mp4, people.glb (animated), and of each person who is followed
    the motion as person_N.npz (AMASS) and person_N.bvh.

    Args:
      sources: image files, and folders of them, with their sub-folders; or one video (mp4, mov,
        avi, webm, ...); or the index of a webcam, which is recorded until Ctrl-C.
      output: folder for the results; made if missing.
      keypoints: the network that finds keypoints: movenet, released, lsp, or a folder that train.py
        ief wrote; as for keypoints.
      checkpoint: the one that fits bodies: released, paper, or a folder that train.py lgd wrote.
      body: SMPL body file (.pkl or .npz) instead of the embedded body; or a folder or zip of them.
      gender: of the body, where --body has several.
      focal: focal length of the camera, pixels, its optical axis through the middle of the image.
        Without it what the camera wrote into the photograph counts, and without that people are
        taken to be some metres away; in a video, the diagonal of the frame.
      meshes: format of the meshes, in metres; of photographs.
      pictures: draw everybody in each photograph, and every fit or, of several photographs, contact
        sheets; or the overlay.
      every_picture: of several photographs draw a picture of every fit, too.
      smooth: in a video, how smoothly people move: 1 for walking, dancing, standing; less for more
        abrupt motion; 0 fits each frame by itself.
      strict: stop at a photograph that cannot be read instead of passing over it.
    """
    model = bodies.load_body(body, gender)
    trained = bodies.load_checkpoint(checkpoint, model)
    clips = [source for source in sources if video.is_source(source)]
    if clips:
        if len(sources) > 1:
            raise InputError(f"{clips[0]}: a video is given alone, one on a command line")
        keep_compilations()
        clip = video.recorded(clips[0], output)
        video.run(clip, output, keypoints, trained, model, gender, focal, pictures, smooth)
        return
    people, album = _found(sources, output, keypoints, strict)
    followed = keypoint_files.followed([people], sources[:1])
    people, skipped = keypoint_files.usable(followed, sources)
    keep_compilations()
    files.output_folder(output)
    each_lens = lenses.of_people(focal, None, album, people)
    found = bodies.fit(trained, model, people, each_lens)
    fitted = bodies.sound(found, people, each_lens, skipped, sources[0])
    body_files.write(output, model, fitted, gender, album, meshes, pictures, every_picture)
    if not pictures:
        return
    scenes.write(output / "scenes", model, fitted, album)
    if scenes.follow_one_another(fitted.people):
        sizes = scenes.sizes(fitted.people, album, None)
        scenes.write_video(output / "overlay.mp4", model, fitted, album, sizes)


def _found(
    sources: Sequence[Path], output: Path, checkpoint: str, strict: bool
) -> tuple[Detections, Album]:
    """Everybody's keypoints, which are also written, and the photographs."""
    frames: list[FramePeople] = []
    paths: dict[str, Path] = {}
    names: tuple[str, ...] = ()
    for found in finding.photographed(sources, output, (), checkpoint, "released", strict):
        finding.write(found, output / "keypoints")
        frames.append(_frame(found, len(frames)))
        paths[found.label] = found.path
        names = found.names
    return detections.gathered(frames, names), Album(paths, {})


def _frame(found: Photographed, number: int) -> FramePeople:
    sure = np.ones(found.points.shape[:-1]) if found.confidence is None else found.confidence
    return FramePeople(found.name, found.label, number, found.points, finding.trusted(sure))
