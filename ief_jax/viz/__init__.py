"""Pictures and tables: fits, keypoints, steps, evaluations."""
