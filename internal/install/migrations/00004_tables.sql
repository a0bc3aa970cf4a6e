-- What the application's tables are, as it declared them when they were last migrated: whoever looks at a database
-- without the application's models, such as Verify, knows from here what each table ought to be.
-- min_compatible: 3

CREATE TABLE stratum.tables (
    table_schema  text COLLATE "C" NOT NULL,
    table_name    text COLLATE "C" NOT NULL,
    class         text COLLATE "C" NOT NULL,
    tenant_column text COLLATE "C",
    declared_at   timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT tables_pkey PRIMARY KEY (table_schema, table_name),
    -- owned: rows of one tenant each; mixed: those and rows of everyone; global: rows of everyone; external: none of
    -- Stratum's business.
    CONSTRAINT tables_class_check CHECK (class IN ('owned', 'mixed', 'global', 'external')),
    CONSTRAINT tables_tenant_column_check CHECK ((tenant_column IS NOT NULL) = (class IN ('owned', 'mixed')))
);

REVOKE ALL ON stratum.tables FROM PUBLIC;
GRANT SELECT ON stratum.tables TO {{.SystemRole}};
