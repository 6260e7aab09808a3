"""The archive of one tenant: a plain SQL script in zstd frames, its manifest, and a trailer that shows damage."""
