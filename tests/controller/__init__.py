"""Tests of the operator. Those in `cluster/` run it as a process against a real Kubernetes."""
