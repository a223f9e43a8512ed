"""Training IEF with everything on the accelerator: pictures, augmentation, teacher and network."""
