"""From what somebody typed to a running server."""
