"""Studies of many models: the design, the sweep that trains it, what its table says."""
