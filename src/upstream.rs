//! The way to the provider: resolve, dial, TLS.
