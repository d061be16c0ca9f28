"""Maintenance scripts: pictures of docs and pages, generated documents, release checks."""
