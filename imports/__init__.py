"""What imports of every kind have in common: their files, their steps, how they are asked for, run and reported.

An app that imports has a model of its own, built on `imports.models`, and tells the rest in a `imports.kinds.Kind`.
"""
