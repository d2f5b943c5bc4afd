"""Tests of the kubectl plugin without a cluster: pictures and words as tables."""
