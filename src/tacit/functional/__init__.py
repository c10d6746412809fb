"""Pure tensor maths: divergences, likelihoods, neighbours. No modules, no state."""
