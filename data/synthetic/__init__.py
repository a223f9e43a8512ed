"""People that were never photographed: clothed, posed and ray-cast from the embedded assets."""
