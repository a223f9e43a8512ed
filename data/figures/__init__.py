"""People as coloured sticks: images so plain that networks are trained to the end on a CPU."""
