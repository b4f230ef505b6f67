"""Shared by tests: builders of configurations and hypothesis strategies."""
