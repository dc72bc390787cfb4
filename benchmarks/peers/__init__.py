"""Peers of synflow: how each is installed, and the nearest pipeline that each offers."""
