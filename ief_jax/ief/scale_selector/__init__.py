"""Scale selection (Carreira et al. 2016, section 3): which box of a photograph fits a person."""
