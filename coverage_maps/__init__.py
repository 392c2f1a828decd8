"""Baseline importers, need map, exports, API and the page."""
