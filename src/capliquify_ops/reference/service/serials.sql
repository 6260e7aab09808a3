-- A second way to make tenants: with a table whose ids are serial numbers. Run as the owner role, after surfaces.sql.
SELECT 1;
