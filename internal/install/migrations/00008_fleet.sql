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

-- The models that schemas and databases have been brought to, by their hashes, the latest few. What is recorded as being
-- like one of them is brought to the next by the difference of the two, without a look at its tables.
CREATE TABLE stratum.models (
    hash     text COLLATE "C" NOT NULL,
    model    text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT models_pkey PRIMARY KEY (hash)
);

REVOKE ALL ON stratum.models FROM PUBLIC;
