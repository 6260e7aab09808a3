-- SHARED_REFERENCE: one table for all tenants, read by everybody, written by the owner alone.
SET LOCAL ROLE :"owner";
CREATE TABLE reference_service.currencies (
    code char(3) PRIMARY KEY,
    name text NOT NULL
);
INSERT INTO reference_service.currencies (code, name) VALUES ('EUR', 'Euro'), ('JPY', 'Yen'), ('USD', 'US dollar');
GRANT SELECT ON TABLE reference_service.currencies TO :"app";
RESET ROLE;
