-- The registry of tenants: a tree on ltree, 20 levels. Application data never holds a path, only a tenant's id, so
-- that moving a subtree touches this table alone.
-- min_compatible: 3

-- The label of a tenant is a short, immutable name for its place in the tree: the base36 form of a number that is
-- never used twice. Short labels keep the GiST index on path small.
CREATE FUNCTION stratum.base36(n bigint) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    digits CONSTANT text := '0123456789abcdefghijklmnopqrstuvwxyz';
    rest bigint := n;
    result text := '';
BEGIN
    LOOP
        result := substr(digits, (rest % 36)::int + 1, 1) || result;
        rest := rest / 36;
        EXIT WHEN rest = 0;
    END LOOP;
    RETURN result;
END $$;

CREATE SEQUENCE stratum.tenant_number AS bigint;

CREATE TABLE stratum.tenants (
    id          uuid PRIMARY KEY,
    label       text COLLATE "C" NOT NULL DEFAULT stratum.base36(nextval('stratum.tenant_number')),
    path        {{.LtreeSchema}}.ltree NOT NULL,
    parent_id   uuid,
    position    bigint NOT NULL DEFAULT 0,
    slug        text COLLATE "C" NOT NULL,
    external_id text COLLATE "C",
    name        text NOT NULL,
    status      text COLLATE "C" NOT NULL DEFAULT 'active',
    metadata    jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT tenants_label_key UNIQUE (label),
    CONSTRAINT tenants_slug_key UNIQUE (slug),
    CONSTRAINT tenants_external_id_key UNIQUE (external_id),
    CONSTRAINT tenants_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES stratum.tenants (id),
    CONSTRAINT tenants_slug_check CHECK (slug ~ '^[a-z][a-z0-9_-]{0,62}$'),
    CONSTRAINT tenants_external_id_check CHECK (external_id <> ''),
    CONSTRAINT tenants_name_check CHECK (name <> ''),
    CONSTRAINT tenants_status_check CHECK (status IN ('active', 'suspended', 'archived', 'provisioning', 'moving')),
    CONSTRAINT tenants_metadata_check CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT tenants_depth_check CHECK ({{.LtreeSchema}}.nlevel(path) BETWEEN 1 AND 20),
    CONSTRAINT tenants_path_check CHECK ({{.LtreeSchema}}.ltree2text({{.LtreeSchema}}.subpath(path, -1, 1)) = label),
    CONSTRAINT tenants_root_check CHECK ((parent_id IS NULL) = ({{.LtreeSchema}}.nlevel(path) = 1))
);

CREATE INDEX tenants_path_idx ON stratum.tenants USING gist (path);
CREATE INDEX tenants_children_idx ON stratum.tenants (parent_id, position, id);

-- The database's own word on two rules of the tree, for writers that come by another door than core.Tenants: a path
-- continues the parent's, and an active tenant's parent is active. FOR SHARE makes the parent wait or be waited for.
-- The schema of ltree may be one that others write to, so it is never in a search_path: its names are qualified.
CREATE FUNCTION stratum.check_parent() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent stratum.tenants;
BEGIN
    IF NEW.parent_id IS NULL THEN
        RETURN NEW;
    END IF;
    SELECT * INTO parent FROM stratum.tenants t WHERE t.id = NEW.parent_id FOR SHARE;
    IF {{.LtreeSchema}}.ltree2text(parent.path) || '.' || NEW.label
        IS DISTINCT FROM {{.LtreeSchema}}.ltree2text(NEW.path) THEN
        RAISE EXCEPTION 'the path of a tenant must continue its parent''s'
            USING ERRCODE = 'ST006', HINT = 'Change the tree through core.Tenants.';
    END IF;
    IF NEW.status = 'active' AND parent.status <> 'active' THEN
        RAISE EXCEPTION 'an active tenant needs an active parent'
            USING ERRCODE = 'ST005', HINT = 'Resume or restore the parent first.';
    END IF;
    RETURN NEW;
END $$;

-- Descendants of a moved tenant change their path only, so the trigger runs for the moved row alone.
CREATE TRIGGER check_parent BEFORE INSERT OR UPDATE OF parent_id, status ON stratum.tenants
    FOR EACH ROW EXECUTE FUNCTION stratum.check_parent();

REVOKE ALL ON stratum.tenants FROM PUBLIC;
REVOKE ALL ON SEQUENCE stratum.tenant_number FROM PUBLIC;
REVOKE ALL ON FUNCTION stratum.base36(bigint), stratum.check_parent() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stratum.base36(bigint) TO {{.SystemRole}};
GRANT USAGE ON SEQUENCE stratum.tenant_number TO {{.SystemRole}};
GRANT SELECT, INSERT ON stratum.tenants TO {{.SystemRole}};
-- Not id, label and created_at: they name a tenant in other places for good.
GRANT UPDATE (path, parent_id, position, slug, external_id, name, status, metadata, updated_at)
    ON stratum.tenants TO {{.SystemRole}};
