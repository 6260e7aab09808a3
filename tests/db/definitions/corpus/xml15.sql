-- schema: "xml15"
-- only: 15
CREATE SCHEMA xml15;
CREATE TABLE xml15.t (a xml, b xml DEFAULT '<x/>', CHECK (xpath_exists('/a', a)));
ALTER TABLE xml15.t DROP CONSTRAINT t_a_check;
INSERT INTO xml15.t VALUES ('<a>&amp;<b/>x</a>'), ('just text, no root'), ('<?xml version="1.0"?><r/>'), (NULL);
CREATE VIEW xml15.v AS SELECT xmlelement(name "a b", a), xmlforest(b AS "B"), xmlserialize(content a AS text) FROM xml15.t;
