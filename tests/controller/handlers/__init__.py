"""Tests of controller.handlers."""
