"""All trainings of a comparison: what is missing is run, on this machine or on a cluster."""
