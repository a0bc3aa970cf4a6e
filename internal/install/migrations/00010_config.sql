-- Config: what each tenant has set for itself and for all beneath it. A tenant inherits by its path, so that an entry is
-- written once, where it is set, and a move of a tenant touches none. Only in the registry does the table have rows.
-- min_compatible: 3

-- A number for each write, and never the same twice: an entry that was deleted and set again is not taken for the one it
-- replaces.
CREATE SEQUENCE stratum.config_version AS bigint;

CREATE TABLE stratum.config (
    tenant_id  uuid NOT NULL,
    key        text COLLATE "C" NOT NULL,
    -- JSON's null is a value like others. That nothing is set is no row.
    value      jsonb NOT NULL,
    -- A locked entry holds for all beneath, whatever they have set.
    locked     boolean NOT NULL DEFAULT false,
    -- A sensitive value is sealed.
    sensitive  boolean NOT NULL DEFAULT false,
    version    bigint NOT NULL DEFAULT nextval('stratum.config_version'),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT config_pkey PRIMARY KEY (tenant_id, key),
    CONSTRAINT config_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES stratum.tenants (id) ON DELETE CASCADE,
    CONSTRAINT config_key_check CHECK (key ~ '^[a-z][a-z0-9_.-]{0,127}$')
);

-- As with the tenants, the system alone reads and writes; whose config a tenant may see is decided by core.Config.
REVOKE ALL ON stratum.config FROM PUBLIC;
REVOKE ALL ON SEQUENCE stratum.config_version FROM PUBLIC;
GRANT SELECT, INSERT, DELETE ON stratum.config TO {{.SystemRole}};
-- Not tenant_id and key: an entry stays whose it is.
GRANT UPDATE (value, locked, sensitive, version, updated_at) ON stratum.config TO {{.SystemRole}};
GRANT USAGE ON SEQUENCE stratum.config_version TO {{.SystemRole}};
