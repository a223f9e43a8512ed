"""EHF: a hundred photographs with SMPL-X meshes of whoever is in them."""
