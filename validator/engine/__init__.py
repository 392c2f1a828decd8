"""Engines that run the rulebook's SQL text."""
