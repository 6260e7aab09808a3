-- The shared tables of the service's further surfaces. Run as the owner role, after schema.sql.
SELECT 1;
