-- Who caches config learns of changes from here. Each transaction that changes what config may come to leaves rows, and
-- tells those who listen with its commit. Whoever was not connected reads what was missed.
-- min_compatible: 3

-- A transaction that notifies cannot be prepared for a commit in two phases: PostgreSQL refuses it.
--
-- Whether a change was missed is asked with a snapshot: it was where its transaction is not visible in the snapshot that
-- was taken when the reader last looked. No counter could tell, since changes become visible in another order than they
-- are counted in. Rows are never updated, so that no writer waits for another one.
CREATE TABLE stratum.config_changes (
    -- Counts, for the trimming alone.
    id        bigint GENERATED ALWAYS AS IDENTITY,
    xid       xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- The tenant whose config, and that of all beneath it, may be another now. Empty for all tenants.
    label     text COLLATE "C" NOT NULL,
    tenant_id uuid,
    -- The key that may have another value, empty for all of them.
    key       text COLLATE "C" NOT NULL,

    CONSTRAINT config_changes_pkey PRIMARY KEY (xid, label, key)
);

-- Changes of transactions before this one have been removed, in the line of history that source names.
CREATE TABLE stratum.config_horizon (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    xid       xid8 NOT NULL,
    source    text COLLATE "C" NOT NULL
);

-- Names the line of history that transaction ids belong to: a server restored to an earlier time gives them out anew, on
-- another timeline, and a dump restored elsewhere brings the rows without the ids.
CREATE FUNCTION stratum.config_source() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.system_identifier::text || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || d.oid::text
    FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()
$$;

-- Keeps the last 10,000 rows, and those of transactions that may still be invisible to somebody. One transaction at a
-- time does it, nobody waits for it, and one that sees an old state of the table leaves it to others.
CREATE FUNCTION stratum.trim_config_changes() RETURNS void LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    horizon xid8;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed'
        OR NOT pg_try_advisory_xact_lock(1398035009, 2) THEN
        RETURN;
    END IF;
    SELECT least(c.xid, pg_snapshot_xmin(pg_current_snapshot())) INTO horizon
        FROM stratum.config_changes c ORDER BY c.xid DESC OFFSET 9999 LIMIT 1;
    IF horizon IS NULL THEN
        RETURN;
    END IF;
    DELETE FROM stratum.config_changes c WHERE c.xid < horizon;
    IF FOUND THEN
        INSERT INTO stratum.config_horizon AS h (xid, source) VALUES (horizon, stratum.config_source())
        ON CONFLICT (singleton) DO UPDATE SET source = excluded.source,
            xid = CASE WHEN h.source = excluded.source THEN greatest(h.xid, excluded.xid) ELSE excluded.xid END;
    END IF;
END $$;

-- Writes a change down. What one transaction changes is told key by key up to 128 rows, then tenant by tenant up to 256,
-- and then as a change of everything, so that neither the table nor the queue of notifications grows with it.
CREATE FUNCTION stratum.note_config_change(the_label text, the_tenant uuid, the_key text) RETURNS void
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    so_far int;
    counted bigint;
BEGIN
    IF EXISTS (SELECT FROM stratum.config_changes c WHERE c.xid = pg_current_xact_id()
        AND (c.label = '' OR c.label = the_label AND c.key IN ('', the_key))) THEN
        RETURN;
    END IF;
    SELECT count(*) INTO so_far
        FROM (SELECT FROM stratum.config_changes c WHERE c.xid = pg_current_xact_id() LIMIT 256) l;
    IF so_far >= 128 THEN
        the_key := '';
    END IF;
    IF so_far >= 256 THEN
        the_label := '';
        the_tenant := NULL;
    END IF;
    INSERT INTO stratum.config_changes (label, tenant_id, key) VALUES (the_label, the_tenant, the_key)
        ON CONFLICT DO NOTHING RETURNING id INTO counted;
    IF counted IS NULL THEN
        RETURN;
    END IF;
    PERFORM pg_notify('stratum.config', concat(the_label, ' ', the_tenant, ' ', the_key));
    IF counted % 500 = 0 THEN
        PERFORM stratum.trim_config_changes();
    END IF;
END $$;

CREATE FUNCTION stratum.note_config() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM stratum.note_config_change('', NULL, '');
        RETURN NULL;
    END IF;
    -- What goes with its tenant is noted with the tenant.
    IF TG_OP <> 'INSERT' THEN
        PERFORM stratum.note_config_change(t.label, t.id, OLD.key) FROM stratum.tenants t WHERE t.id = OLD.tenant_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM stratum.note_config_change(t.label, t.id, NEW.key) FROM stratum.tenants t WHERE t.id = NEW.tenant_id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION stratum.note_config_tenant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM stratum.note_config_change('', NULL, '');
    ELSE
        PERFORM stratum.note_config_change(OLD.label, OLD.id, '');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER note_config AFTER INSERT OR UPDATE OR DELETE ON stratum.config
    FOR EACH ROW EXECUTE FUNCTION stratum.note_config();
CREATE TRIGGER note_config_truncate AFTER TRUNCATE ON stratum.config
    FOR EACH STATEMENT EXECUTE FUNCTION stratum.note_config();
-- A tenant is moved where its parent is another: the paths of those beneath it follow, and have its label in them. With
-- config goes what it says of the tenants on the path, their status and their slugs.
CREATE TRIGGER note_config AFTER UPDATE ON stratum.tenants FOR EACH ROW
    WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id OR OLD.status <> NEW.status OR OLD.slug <> NEW.slug)
    EXECUTE FUNCTION stratum.note_config_tenant();
CREATE TRIGGER note_config_delete AFTER DELETE ON stratum.tenants
    FOR EACH ROW EXECUTE FUNCTION stratum.note_config_tenant();
CREATE TRIGGER note_config_truncate AFTER TRUNCATE ON stratum.tenants
    FOR EACH STATEMENT EXECUTE FUNCTION stratum.note_config_tenant();

-- What replication brings counts as well.
ALTER TABLE stratum.config ENABLE ALWAYS TRIGGER note_config, ENABLE ALWAYS TRIGGER note_config_truncate;
ALTER TABLE stratum.tenants ENABLE ALWAYS TRIGGER note_config, ENABLE ALWAYS TRIGGER note_config_delete,
    ENABLE ALWAYS TRIGGER note_config_truncate;

REVOKE ALL ON stratum.config_changes, stratum.config_horizon FROM PUBLIC;
REVOKE ALL ON FUNCTION stratum.config_source(), stratum.trim_config_changes(), stratum.note_config(),
    stratum.note_config_tenant(), stratum.note_config_change(text, uuid, text) FROM PUBLIC;
GRANT SELECT ON stratum.config_changes, stratum.config_horizon TO {{.SystemRole}};
GRANT EXECUTE ON FUNCTION stratum.config_source() TO {{.SystemRole}};
