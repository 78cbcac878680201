"""Indicators: what cases and cameras count for in a period, and the report that regenerates byte for byte."""
