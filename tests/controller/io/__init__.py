"""Tests of controller.cluster that need no Kubernetes."""
