"""Tests of controller.plan."""
