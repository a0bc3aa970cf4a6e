-- Copies of global tables, and of everyone's rows of mixed tables, in other databases. Where the rows are written, each
-- transaction that changes such a table leaves a row here; where the copies are, a row a table says what they hold.
-- min_compatible: 3

-- One row a table and transaction, never updated, so that no writer waits for another one. Whether a copy has a change
-- is asked with the snapshot that the copy was made in: a change is missing where its transaction is not visible in that
-- snapshot. No counter could tell, since changes become visible in another order than they are counted in.
CREATE TABLE stratum.copy_changes (
    table_schema text COLLATE "C" NOT NULL,
    table_name   text COLLATE "C" NOT NULL,
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT copy_changes_pkey PRIMARY KEY (table_schema, table_name, xid)
);

-- Changes of transactions before this one have been removed, in the database that source names: see stratum.copies.
CREATE TABLE stratum.copy_horizon (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    xid       xid8 NOT NULL,
    source    text COLLATE "C" NOT NULL
);

-- The copies that are in this database, each as of a snapshot of its source.
CREATE TABLE stratum.copies (
    table_schema text COLLATE "C" NOT NULL,
    table_name   text COLLATE "C" NOT NULL,
    -- The server, the line of its history and the database whose transactions the snapshot speaks of.
    source       text COLLATE "C" NOT NULL,
    snapshot     pg_snapshot NOT NULL,
    -- Transactions that committed up to here are in the copy too, beside those visible in the snapshot.
    position     pg_lsn NOT NULL DEFAULT '0/0',
    -- The columns of the source as they were copied.
    shape        text COLLATE "C" NOT NULL,
    rows         bigint NOT NULL,
    refreshed_at timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT copies_pkey PRIMARY KEY (table_schema, table_name)
);

-- Writes down a change of the table that the trigger's arguments name: of a partition it is the whole table. The
-- notification goes out with the commit.
CREATE FUNCTION stratum.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO stratum.copy_changes (table_schema, table_name) VALUES (TG_ARGV[0], TG_ARGV[1])
        ON CONFLICT DO NOTHING;
    IF FOUND THEN
        PERFORM pg_notify('stratum.copies', TG_ARGV[0] || '.' || TG_ARGV[1]);
    END IF;
    RETURN NULL;
END $$;

REVOKE ALL ON stratum.copy_changes, stratum.copy_horizon, stratum.copies FROM PUBLIC;
REVOKE ALL ON FUNCTION stratum.note_change() FROM PUBLIC;
GRANT SELECT ON stratum.copy_changes, stratum.copy_horizon, stratum.copies TO {{.SystemRole}};
