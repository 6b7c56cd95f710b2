"""Benchmarks: `speed` against other packages, `quality` on public data, `training` of the models in the package.

`python -m benchmarks.speed.history` needs the `[bench]` and `[test]` extras; `quality` and `training` read public data
sets from a directory, which each module's docstring names.
"""
