-- What a fleet's sources have done in the schemas of this database: a schema whose hash is the wanted one is done without
-- a look at its tables. Versioned migrations have a table of their own in each schema; here are those of them that were
-- begun outside of a transaction and have not ended.
-- min_compatible: 3

CREATE TABLE stratum.ledger (
    table_schema text COLLATE "C" NOT NULL,
    source       text COLLATE "C" NOT NULL,
    -- What the schema has become, empty before it was done for the first time.
    hash         text COLLATE "C" NOT NULL DEFAULT '',
    applied_at   timestamptz,
    took         interval,
    -- Why the last try failed, null where it did not.
    error        text,

    CONSTRAINT ledger_pkey PRIMARY KEY (table_schema, source)
);

REVOKE ALL ON stratum.ledger FROM PUBLIC;
GRANT SELECT ON stratum.ledger TO {{.SystemRole}};
