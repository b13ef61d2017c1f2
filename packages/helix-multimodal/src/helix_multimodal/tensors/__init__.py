"""From decoded samples to arrays that models take. Only NumPy is needed."""
