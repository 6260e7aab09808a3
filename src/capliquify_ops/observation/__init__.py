"""What a system does just now: sessions, locks and whom they keep waiting. Read in one statement each, bounded, read-only."""
