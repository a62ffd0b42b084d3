"""Tests of the hearing."""
