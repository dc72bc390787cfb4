"""Pictures of videos: probing, sandboxed decoding, and pure functions that measure arrays."""
