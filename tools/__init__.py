"""For those who maintain the project: pictures of docs and pages, and the check of a release."""
