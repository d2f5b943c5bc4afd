"""Tests of controller.manifests."""
