"""The real mail servers behind the gateway."""
