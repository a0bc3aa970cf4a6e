-- Where the data of a tenant is: in the shared tables, in a schema of its own, or in a database of its own; and in which
-- of the registered databases. The database admits a tenant only where its data is.
--
--   ST010  the tenant's data is elsewhere; the detail says where
--   ST011  the schema of the tenant is missing
--   ST012  the table is in the schema of another tenant than the statement's
--   ST013  a subtree has tenants whose data is elsewhere
--   ST014  the schema of the tenant lacks a table
--   ST015  a look at all tenants would leave out those whose data is elsewhere
--
-- min_compatible: 3

-- What this database is. There is one registry, in which all tenants are listed; a satellite lists its residents alone.
CREATE TABLE stratum.site (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    -- The placement that this database is, or that the tenant's own database is at.
    placement text COLLATE "C" NOT NULL DEFAULT 'home',
    -- The label of the tenant whose own database this is; NULL for a database of shared tables, '' for a template.
    label     text COLLATE "C",
    -- Names the registry, the same in all its satellites: two applications may not share a database.
    registry  uuid NOT NULL DEFAULT gen_random_uuid(),
    -- The name of the registry's database. In a copy of it, which must not reach for the databases of the tenants of the
    -- original, another name is found.
    home      text COLLATE "C" NOT NULL DEFAULT current_database()
);
INSERT INTO stratum.site DEFAULT VALUES;

-- The registered databases. What leads to one is a reference, such as env:EU_DSN, and never the DSN itself.
CREATE TABLE stratum.placements (
    name         text COLLATE "C" PRIMARY KEY,
    dsn          text NOT NULL DEFAULT '',
    system_dsn   text NOT NULL DEFAULT '',
    owner_dsn    text NOT NULL DEFAULT '',
    replica_dsns text[] NOT NULL DEFAULT '{}',
    region       text COLLATE "C" NOT NULL DEFAULT '',
    labels       jsonb NOT NULL DEFAULT '{}',
    -- The most tenants that are placed here without being told so; 0 is no limit.
    capacity     bigint NOT NULL DEFAULT 0,
    state        text COLLATE "C" NOT NULL DEFAULT 'active',
    -- The range of integer keys of the shared tables here; 0 is the registry's.
    key_range    bigint NOT NULL DEFAULT nextval('stratum.tenant_number'),
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT placements_name_check CHECK (name ~ '^[a-z][a-z0-9_-]{0,30}$'),
    CONSTRAINT placements_dsn_check CHECK (concat_ws('|', dsn, system_dsn, owner_dsn, array_to_string(replica_dsns, '|'))
        !~* '(postgres(ql)?://|password *=|host *=|@)'),
    CONSTRAINT placements_labels_check CHECK (jsonb_typeof(labels) = 'object'),
    CONSTRAINT placements_capacity_check CHECK (capacity >= 0),
    CONSTRAINT placements_state_check CHECK (state IN ('active', 'draining', 'closed'))
);
INSERT INTO stratum.placements (name, key_range) VALUES ('home', 0);

ALTER TABLE stratum.tenants
    ADD COLUMN isolation text COLLATE "C" NOT NULL DEFAULT 'shared',
    ADD COLUMN placement text COLLATE "C" NOT NULL DEFAULT 'home',
    -- Where the tenant and all beneath it may be: {"regions": ["eu"], "labels": {"tier": "gold"}}.
    ADD COLUMN residency jsonb NOT NULL DEFAULT '{}',
    -- The status that a satellite was told last; NULL where the registry's own database admits the tenant.
    ADD COLUMN told_status text COLLATE "C",
    ADD CONSTRAINT tenants_isolation_check CHECK (isolation IN ('shared', 'schema', 'database')),
    ADD CONSTRAINT tenants_placement_fkey FOREIGN KEY (placement) REFERENCES stratum.placements (name),
    ADD CONSTRAINT tenants_residency_check CHECK (jsonb_typeof(residency) = 'object');

-- For the tenants that are not in the shared tables of the registry, which are looked for by each subtree.
CREATE INDEX tenants_elsewhere_idx ON stratum.tenants (placement, isolation, id)
    WHERE isolation <> 'shared' OR placement <> 'home';

-- Schemas and databases that wait for a tenant. A label is reserved with each, so that its name is right from the start.
CREATE TABLE stratum.spares (
    label      text COLLATE "C" PRIMARY KEY,
    isolation  text COLLATE "C" NOT NULL CHECK (isolation IN ('schema', 'database')),
    placement  text COLLATE "C" NOT NULL REFERENCES stratum.placements (name),
    ready      boolean NOT NULL DEFAULT false,
    -- The shape it was made in.
    shape      text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The system may take back a tenant that has never been active here. In a satellite it may take away any: its rows of
-- tenants are no more than what the registry tells it.
CREATE FUNCTION stratum.keep_tenant() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF quote_ident(current_user) = quote_ident((parse_ident('{{.SystemRole}}'))[1])
        AND EXISTS (SELECT FROM stratum.site s WHERE s.placement = 'home' AND s.label IS NULL) THEN
        RAISE EXCEPTION 'a tenant that has been active is not deleted' USING ERRCODE = '42501',
            HINT = 'Archive it with Tenants.Archive.';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER keep_tenant BEFORE DELETE ON stratum.tenants
    FOR EACH ROW WHEN (OLD.status <> 'provisioning') EXECUTE FUNCTION stratum.keep_tenant();

-- Whatever changes a status, its satellite has yet to be told: also where it was told the same once before.
CREATE FUNCTION stratum.forget_told() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.told_status := NULL;
    RETURN NEW;
END $$;
CREATE TRIGGER forget_told BEFORE UPDATE OF status ON stratum.tenants
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND OLD.told_status = NEW.told_status)
    EXECUTE FUNCTION stratum.forget_told();

-- A change of place turns the epoch, as one of status does.
DROP TRIGGER turn_epoch ON stratum.tenants;
CREATE CONSTRAINT TRIGGER turn_epoch AFTER UPDATE ON stratum.tenants DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.id <> NEW.id OR OLD.isolation <> NEW.isolation
        OR OLD.placement <> NEW.placement) EXECUTE FUNCTION stratum.turn_epoch();
ALTER TABLE stratum.tenants ENABLE ALWAYS TRIGGER turn_epoch;

-- The long way, which now also looks where the tenant's data is: own_schema is the schema that the statement is about to
-- work in, or ''. The order of lock, epoch and row is as it was.
CREATE FUNCTION stratum.admit(tenant uuid, own_schema text) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    state pg_catalog.text;
    here pg_catalog.bool;
    place pg_catalog.text;
    epoch pg_catalog.int8;
    settled pg_catalog.bool;
BEGIN
    -- A statement of a tenant must not enter another. Only a login that has not switched its role yet may.
    IF pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none' THEN
        RAISE EXCEPTION 'this transaction has entered a scope already' USING ERRCODE = '42501';
    END IF;
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(tenant, 0));
    epoch := pg_catalog.pg_sequence_last_value('stratum.epoch');
    SELECT t.status, pg_catalog.pg_visible_in_snapshot(
            (epoch OPERATOR(pg_catalog.>>) 20)::pg_catalog.text::pg_catalog.xid8, pg_catalog.pg_current_snapshot()),
            t.placement OPERATOR(pg_catalog.=) s.placement AND CASE
                WHEN t.isolation OPERATOR(pg_catalog.=) 'shared' THEN own_schema OPERATOR(pg_catalog.=) '' AND s.label IS NULL
                WHEN t.isolation OPERATOR(pg_catalog.=) 'schema' THEN own_schema OPERATOR(pg_catalog.=) ('t_' OPERATOR(pg_catalog.||) t.label)
                    AND s.label IS NULL
                ELSE own_schema OPERATOR(pg_catalog.=) '' AND s.label OPERATOR(pg_catalog.=) t.label END,
            pg_catalog.concat_ws(' ', t.isolation, t.placement, t.label)
        INTO state, settled, here, place FROM stratum.tenants t, stratum.site s WHERE t.id OPERATOR(pg_catalog.=) tenant;
    -- One snapshot for the whole transaction may be older than the lock: FOR SHARE fails with 40001 if the row has
    -- changed since. Where nothing is written the old state does no harm.
    IF NOT settled AND pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed'
        AND pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off' THEN
        PERFORM FROM stratum.tenants t WHERE t.id OPERATOR(pg_catalog.=) tenant FOR SHARE;
    END IF;
    IF state OPERATOR(pg_catalog.=) 'active' AND here THEN
        PERFORM pg_catalog.set_config('stratum.tenant', tenant::pg_catalog.text, true);
        RETURN CASE WHEN settled THEN epoch END;
    END IF;
    IF state IS NULL THEN
        RAISE EXCEPTION 'unknown tenant' USING ERRCODE = 'ST002';
    END IF;
    IF state OPERATOR(pg_catalog.<>) 'active' THEN
        RAISE EXCEPTION 'the tenant is %', state USING ERRCODE = 'ST003', DETAIL = state;
    END IF;
    RAISE EXCEPTION 'the data of the tenant is elsewhere' USING ERRCODE = 'ST010', DETAIL = place;
END $$;

-- What programs of an older version call: they know of shared tables alone.
CREATE OR REPLACE FUNCTION stratum.admit(tenant uuid) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
    RETURN stratum.admit(tenant, '');
END $$;
CREATE OR REPLACE FUNCTION stratum.enter(tenant uuid) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
    PERFORM stratum.admit(tenant, '');
END $$;

-- The signed form, see 00005: what is proven and what is signed are the same.
CREATE FUNCTION stratum.admit(tenant uuid, as_role text, proof bytea, own_schema text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    signature pg_catalog.text;
    proven pg_catalog.bool;
    claim CONSTANT pg_catalog.bytea := pg_catalog.uuid_send(tenant)
        OPERATOR(pg_catalog.||) pg_catalog.convert_to(as_role, 'UTF8');
BEGIN
    SELECT pg_catalog.sha256(pg_catalog.sha256(k.proof_outer OPERATOR(pg_catalog.||) pg_catalog.sha256(
                k.proof_inner OPERATOR(pg_catalog.||) claim)))
            OPERATOR(pg_catalog.=) pg_catalog.sha256(proof),
        pg_catalog.encode(pg_catalog.sha256(k.sign_outer OPERATOR(pg_catalog.||) pg_catalog.sha256(
            k.sign_inner OPERATOR(pg_catalog.||) pg_catalog.int4send(pg_catalog.pg_backend_pid())
            OPERATOR(pg_catalog.||) pg_catalog.timestamptz_send(pg_catalog.transaction_timestamp())
            OPERATOR(pg_catalog.||) claim)), 'hex')
        INTO proven, signature FROM stratum.signing k;
    IF proven IS NOT TRUE THEN
        RAISE EXCEPTION 'the tenant was not admitted by the application' USING ERRCODE = 'ST008';
    END IF;
    PERFORM pg_catalog.set_config('stratum.signature', signature, true);
    RETURN stratum.admit(tenant, own_schema);
END $$;
CREATE OR REPLACE FUNCTION stratum.admit(tenant uuid, as_role text, proof bytea) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
BEGIN
    RETURN stratum.admit(tenant, as_role, proof, '');
END $$;

CREATE FUNCTION stratum.no_schema() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RAISE EXCEPTION 'the schema of the tenant is missing' USING ERRCODE = 'ST011',
        HINT = 'Restore it, or make it anew with Tenants.Reconcile.';
END $$;

-- How the system enters a schema, which has rights on the shared tables: where the tenant's table is missing, a statement would
-- reach the shared one.
CREATE FUNCTION stratum.enter_whole_schema(own_schema text) RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    found CONSTANT pg_catalog.oid := pg_catalog.to_regnamespace(own_schema);
BEGIN
    IF found IS NULL THEN
        RETURN stratum.no_schema();
    END IF;
    IF EXISTS (SELECT FROM stratum.tables t WHERE t.class OPERATOR(pg_catalog.=) ANY (ARRAY['owned', 'mixed'])
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) found
            AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) t.table_name)) THEN
        RAISE EXCEPTION 'the schema of the tenant lacks a table' USING ERRCODE = 'ST014';
    END IF;
    RETURN pg_catalog.set_config('stratum.schema', own_schema, true);
END $$;

-- How the system enters the place of a tenant, whatever the tenant's status: what a program believes of the place need not
-- be true any more, and the system would be refused nowhere. The lock is the tenant's, as in admit.
CREATE FUNCTION stratum.enter_place(tenant uuid, own_schema text) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    here pg_catalog.bool;
    place pg_catalog.text;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(tenant, 0));
    -- One snapshot for the whole transaction may be older than the lock, see admit.
    IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed'
        AND pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off' THEN
        PERFORM FROM stratum.tenants t WHERE t.id OPERATOR(pg_catalog.=) tenant FOR SHARE;
    END IF;
    SELECT t.placement OPERATOR(pg_catalog.=) s.placement AND CASE t.isolation
                WHEN 'shared' THEN own_schema OPERATOR(pg_catalog.=) '' AND s.label IS NULL
                WHEN 'schema' THEN own_schema OPERATOR(pg_catalog.=) ('t_' OPERATOR(pg_catalog.||) t.label)
                    AND s.label IS NULL
                ELSE own_schema OPERATOR(pg_catalog.=) '' AND s.label OPERATOR(pg_catalog.=) t.label END,
            pg_catalog.concat_ws(' ', t.isolation, t.placement, t.label)
        INTO here, place FROM stratum.tenants t, stratum.site s WHERE t.id OPERATOR(pg_catalog.=) tenant;
    IF place IS NULL THEN
        RAISE EXCEPTION 'unknown tenant' USING ERRCODE = 'ST002';
    END IF;
    IF NOT here THEN
        RAISE EXCEPTION 'the data of the tenant is elsewhere' USING ERRCODE = 'ST010', DETAIL = place;
    END IF;
    IF own_schema OPERATOR(pg_catalog.<>) '' THEN
        PERFORM stratum.enter_whole_schema(own_schema);
    END IF;
END $$;

CREATE FUNCTION stratum.other_schema() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RAISE EXCEPTION 'the table is in the schema of another tenant' USING ERRCODE = 'ST012',
        HINT = 'Name tables without a schema.';
END $$;

-- What the policies of a tenant's own schema compare with: the tenant of the statement, which must have entered the
-- schema. Without that a tenant could leave rows of its own in the schema of another. Inlined, as stratum.tenant_id is.
CREATE FUNCTION stratum.tenant_in(own_schema text) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN current_setting('stratum.schema', true) = own_schema THEN stratum.tenant_id()
        ELSE stratum.other_schema()::uuid END;

-- The rows of a subtree are all here, or the statement is refused: it would leave some out in silence.
CREATE OR REPLACE FUNCTION stratum.visible_tenants() RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER
    PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible uuid[];
    elsewhere bigint;
BEGIN
    IF quote_ident(current_setting('role')) <> quote_ident((parse_ident('{{.SubtreeRole}}'))[1]) THEN
        RAISE EXCEPTION 'this is for the subtree role alone' USING ERRCODE = '42501';
    END IF;
    SELECT array_agg(d.id), count(*) FILTER (WHERE d.id <> self.id AND
            (d.isolation <> 'shared' OR d.placement <> s.placement))
        INTO visible, elsewhere
        FROM stratum.site s, stratum.tenants self
        JOIN stratum.tenants d ON d.path OPERATOR({{.LtreeSchema}}.<@) self.path
        WHERE self.id = stratum.tenant_id() AND d.status IN ('active', 'suspended', 'moving');
    IF elsewhere > 0 THEN
        RAISE EXCEPTION 'the subtree has tenants whose data is elsewhere' USING ERRCODE = 'ST013',
            HINT = 'Visit each of them with Tenants.ForEach.';
    END IF;
    RETURN visible;
END $$;

-- Stands behind a statement that finds out whose a login is, in its transaction: it must not pass over tenants who are
-- elsewhere. Which tables it has read, itself or in a function, is known by its locks: a condition in their policies
-- would not be looked at where an index finds no row.
CREATE FUNCTION stratum.passed_over_nobody() RETURNS boolean LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM stratum.tenants t, stratum.site s WHERE (t.isolation <> 'shared' OR t.placement <> 'home')
        AND s.placement = 'home' AND t.status <> 'archived')
        AND EXISTS (SELECT FROM pg_locks l JOIN pg_policy p ON p.polrelid = l.relation
            WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND p.polname = 'stratum_system'
            AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())) THEN
        RAISE EXCEPTION 'there are tenants whose data is elsewhere' USING ERRCODE = 'ST015',
            HINT = 'Keep what must be found before the tenant is known in a global table.';
    END IF;
    RETURN true;
END $$;

-- What the system's policies let it write: rows of tenants who live here. Others would never see them.
CREATE FUNCTION stratum.lives_here(tenant uuid) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM stratum.tenants t, stratum.site s WHERE t.id = tenant AND (t.placement <> s.placement
        OR t.isolation = 'schema' OR (t.isolation = 'database') <> (s.label IS NOT NULL))) THEN
        RAISE EXCEPTION 'the data of the tenant is elsewhere' USING ERRCODE = 'ST010',
            HINT = 'Write it at the place of the tenant, with core.AsSystemAt.';
    END IF;
    RETURN true;
END $$;

GRANT USAGE ON SEQUENCE stratum.anchor TO {{.SchemaRole}};
REVOKE ALL ON stratum.site, stratum.placements, stratum.spares FROM PUBLIC;
GRANT SELECT ON stratum.site TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON stratum.placements, stratum.spares TO {{.SystemRole}};
GRANT UPDATE (isolation, placement, residency, told_status) ON stratum.tenants TO {{.SystemRole}};
-- What has never been active may be taken back: a tenant whose provisioning is given up.
GRANT DELETE ON stratum.tenants TO {{.SystemRole}};
GRANT EXECUTE ON FUNCTION stratum.admit(uuid, text), stratum.admit(uuid, text, bytea, text), stratum.no_schema(),
    stratum.enter_whole_schema(text), stratum.enter_place(uuid, text),
    stratum.other_schema(), stratum.tenant_in(text), stratum.passed_over_nobody(),
    stratum.lives_here(uuid) TO PUBLIC;
