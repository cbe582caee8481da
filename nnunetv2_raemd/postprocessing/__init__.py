"""Post-processing of segmentations (Algorithm 1, step 10): its steps, how they are chosen, their use."""
