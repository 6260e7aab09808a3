-- The service's own schema: sessions that were signed out before their token expired.
-- Run as the owner role; :"owner" and :"app" are role names, put in by whoever installs this.
CREATE SCHEMA IF NOT EXISTS reference_service AUTHORIZATION :"owner";

CREATE TABLE IF NOT EXISTS reference_service.signed_out_sessions (
    sid text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS signed_out_sessions_expires_at ON reference_service.signed_out_sessions (expires_at);

REVOKE ALL ON SCHEMA reference_service FROM PUBLIC;
GRANT USAGE ON SCHEMA reference_service TO :"app";
GRANT SELECT, INSERT, DELETE ON reference_service.signed_out_sessions TO :"app";
