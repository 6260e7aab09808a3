-- name: system_identifier
-- needs: EXECUTE on pg_catalog.pg_control_system()
-- since: 14
-- params: none
-- why: tells clusters apart; on its own, since the server refuses a statement that names this function to a role without the grant
SELECT c.system_identifier::text
  FROM pg_catalog.pg_control_system() AS c
