"""MediaPipe's pose landmarks in square crops, for `benchmarks.people`.

    PYTHON mediapipe_peer.py crops.npz landmarks.npz

It is run by a Python of its own and imports nothing of this project. `crops` [N, S, S, 3] uint8;
`points` [N, 17, 2] COCO's keypoints in shares of the crop, infinite where nobody is found;
`seconds` of CPU a crop, the fastest of three runs after one that does not count.
"""

import sys
import time

import mediapipe
import numpy as np

COCO = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""MediaPipe's numbers of COCO's keypoints."""


def main(given: str, taken: str) -> None:
    """Finds the landmarks of every crop."""
    crops = np.load(given)["crops"]
    points = np.full((len(crops), len(COCO), 2), np.inf)
    seconds = []
    with mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1) as pose:
        for _ in range(4):
            began = time.process_time()
            for row, crop in enumerate(crops):
                found = pose.process(np.ascontiguousarray(crop)).pose_landmarks
                if found is not None:
                    points[row] = [(found.landmark[n].x, found.landmark[n].y) for n in COCO]
            seconds.append((time.process_time() - began) / len(crops))
    np.savez(taken, points=points, seconds=min(seconds[1:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
