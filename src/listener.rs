//! Local ports: bind, permit, accept, back off, stop.
