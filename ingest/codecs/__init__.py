"""Codecs: a topic filter and a pure function from one device's language to rows."""
