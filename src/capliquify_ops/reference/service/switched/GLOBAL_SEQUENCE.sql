-- GLOBAL_SEQUENCE: the notes of all tenants take their ids from one sequence; serials.sql looks whether it is there.
SET LOCAL ROLE :"owner";

CREATE SEQUENCE reference_service.note_ids;
GRANT USAGE ON SEQUENCE reference_service.note_ids TO :"app";
GRANT SELECT ON SEQUENCE reference_service.note_ids TO :"observer";
