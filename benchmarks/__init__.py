"""Side-by-side timings: `python -m benchmarks.joints`, `python -m benchmarks.fit`."""
