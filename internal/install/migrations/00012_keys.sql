-- The keys that tenants' encrypted fields are sealed with, each wrapped with a KEK that the database does not have. Only
-- in the registry does the table have rows: destroying a key is done in one place.
-- min_compatible: 3

CREATE TABLE stratum.tenant_keys (
    tenant_id     uuid NOT NULL,
    -- Data keys seal, the newest of a tenant new values. Index keys are what blind indexes are computed with.
    kind          text COLLATE "C" NOT NULL,
    version       bigint NOT NULL,
    -- Null once the key has been destroyed. The row stays, so that no other key gets its version.
    wrapped       bytea,
    -- The KEK that it is wrapped with.
    kek           text COLLATE "C" NOT NULL,
    commitment    bytea NOT NULL,
    -- How many values programs may have sealed with it: they reserve blocks.
    reserved      bigint NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Since when a newer one seals.
    superseded_at timestamptz,
    -- Since when it is destroyed, and whether with the tenant's others or because nothing was sealed with it any more.
    destroyed_at  timestamptz,
    shredded      boolean NOT NULL DEFAULT false,

    CONSTRAINT tenant_keys_pkey PRIMARY KEY (tenant_id, kind, version),
    -- No cascade: whoever deletes a tenant says what is to become of its keys.
    CONSTRAINT tenant_keys_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES stratum.tenants (id),
    CONSTRAINT tenant_keys_kind_check CHECK (kind IN ('data', 'index')),
    CONSTRAINT tenant_keys_version_check CHECK (version BETWEEN 1 AND 4294967295),
    CONSTRAINT tenant_keys_reserved_check CHECK (reserved BETWEEN 0 AND 2147483648),
    CONSTRAINT tenant_keys_destroyed_check CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
    CONSTRAINT tenant_keys_shredded_check CHECK (NOT shredded OR wrapped IS NULL)
);

-- For rewrapping what is not under the current KEK.
CREATE INDEX tenant_keys_kek_idx ON stratum.tenant_keys (kek, tenant_id, kind, version) WHERE wrapped IS NOT NULL;

-- A destroyed key stays destroyed, even if a program that has it in memory would write it back.
CREATE FUNCTION stratum.keep_destroyed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.destroyed_at IS NOT NULL AND (NEW.wrapped IS NOT NULL OR NEW.shredded < OLD.shredded) THEN
        RAISE EXCEPTION 'a destroyed key cannot be brought back' USING ERRCODE = 'ST020';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_destroyed BEFORE UPDATE ON stratum.tenant_keys
    FOR EACH ROW EXECUTE FUNCTION stratum.keep_destroyed();

-- Programs that have keys in memory drop those of a tenant that they hear of here. A key that is only wrapped anew is the
-- same one.
CREATE FUNCTION stratum.note_key() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('stratum.keys', NEW.tenant_id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER note_key AFTER INSERT ON stratum.tenant_keys
    FOR EACH ROW EXECUTE FUNCTION stratum.note_key();
CREATE TRIGGER note_key_destroyed AFTER UPDATE OF wrapped ON stratum.tenant_keys
    FOR EACH ROW WHEN (NEW.wrapped IS NULL) EXECUTE FUNCTION stratum.note_key();

-- How far the jobs that seal anew have come: for each tenant and table, whose turn it is and behind which row.
CREATE TABLE stratum.key_jobs (
    job        text COLLATE "C" NOT NULL,
    tenant_id  uuid NOT NULL,
    relation   text COLLATE "C" NOT NULL,
    -- What the columns are brought to. Another target begins anew.
    target     text COLLATE "C" NOT NULL,
    -- The primary key of the last row that was looked at, as texts; null before the first.
    position   text[],
    owner      uuid,
    lease_ends timestamptz,
    done_at    timestamptz,
    rows       bigint NOT NULL DEFAULT 0,
    failed     bigint NOT NULL DEFAULT 0,

    CONSTRAINT key_jobs_pkey PRIMARY KEY (job, tenant_id, relation),
    CONSTRAINT key_jobs_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES stratum.tenants (id) ON DELETE CASCADE
);

REVOKE ALL ON stratum.tenant_keys, stratum.key_jobs FROM PUBLIC;
REVOKE ALL ON FUNCTION stratum.keep_destroyed(), stratum.note_key() FROM PUBLIC;
-- No DELETE: a row says that there was a key.
GRANT SELECT, INSERT ON stratum.tenant_keys TO {{.SystemRole}};
GRANT UPDATE (wrapped, kek, reserved, superseded_at, destroyed_at, shredded) ON stratum.tenant_keys TO {{.SystemRole}};
GRANT SELECT, INSERT, UPDATE, DELETE ON stratum.key_jobs TO {{.SystemRole}};
