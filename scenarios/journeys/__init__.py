"""Journeys as plain functions of a session: one file per persona."""
