-- What is installed: every process reads it at start to decide whether it can work with this database.
-- min_compatible: 3

CREATE TABLE stratum.schema_info (
    -- The one row there is.
    id             boolean PRIMARY KEY DEFAULT true CHECK (id),
    version        integer NOT NULL,
    -- The lowest version a binary must know to work with this schema.
    min_compatible integer NOT NULL,
    -- The prefix of the roles that hold the grants. A binary with another prefix would find none of them.
    prefix         text COLLATE "C" NOT NULL
);
INSERT INTO stratum.schema_info (version, min_compatible, prefix) VALUES (0, 0, '{{.Prefix}}');

-- enter is called by the login itself, before it becomes a tenant role, and a login inherits nothing: so the schema,
-- and what gives no data away, are open to all. Grants are spelled out here and below, and so are revokes: ALTER
-- DEFAULT PRIVILEGES may have changed what PUBLIC is given or denied.
GRANT USAGE ON SCHEMA stratum TO PUBLIC;
REVOKE CREATE ON SCHEMA stratum FROM PUBLIC;
REVOKE ALL ON stratum.schema_info FROM PUBLIC;
GRANT SELECT ON stratum.schema_info TO PUBLIC;
