"""The pages with which owners and admins run their shop."""
