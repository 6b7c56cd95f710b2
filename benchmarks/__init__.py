"""Benchmarks against what else there is: `python -m benchmarks.history`.

They need the `[bench]` and `[test]` extras. Every number is measured in one run, on one server, on the same work.
"""
