-- How a statement comes to belong to a tenant: the guard calls stratum.enter in the same round trip as the statement,
-- and every policy asks stratum.tenant_id. SQLSTATEs of the class ST are Stratum's own:
--
--   ST001  no tenant is set            ST004  the owner of a protected table was refused
--   ST002  the tenant is unknown       ST005  an active tenant under a parent that is not
--   ST003  the tenant is not active    ST006  a path that does not continue the parent's
--
-- min_compatible: 3

CREATE FUNCTION stratum.no_tenant() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RAISE EXCEPTION 'no tenant is set for this statement'
        USING ERRCODE = 'ST001', HINT = 'Reach this table through Stratum, with a tenant in the context.';
END $$;

-- Inlined into policies: a SQL function without a SET clause whose parts are no more volatile than itself. RETURN
-- instead of a string as its body: names are looked up now, once, and not again on the search_path of a caller.
-- A setting that was local to an earlier transaction reads as '', not as NULL: hence nullif.
CREATE FUNCTION stratum.tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(nullif(current_setting('stratum.tenant', true), ''), stratum.no_tenant())::uuid;

-- Without a policy a forced table shows its owner no rows, silently: a foreign key over a violating row would then pass
-- as validated. With this one the owner sees all rows while tables are migrated, and is told why not at other times.
CREATE FUNCTION stratum.admit_owner() RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('stratum.owner', true) = 'migrate' THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'the rows of this table belong to tenants; its owner does not see them'
        USING ERRCODE = 'ST004', HINT = 'Work on rows with core.AsSystem(ctx, reason) or as a tenant, and change the '
            'table with gormstratum.Migrate.';
END $$;

-- Makes the current transaction the tenant's, or refuses. SET search_path would be undone at the function's end and
-- costs a third of the call, so every name is qualified instead, the types of variables too: a caller may have put a
-- schema of its own in front, and the function runs with its owner's rights.
--
-- The lock comes first and the status is read by a later command, hence with a later snapshot: whoever holds the lock
-- exclusively has changed the status by then. A transaction with one snapshot for all its commands cannot see that
-- change; FOR SHARE then fails with 40001 if there was one. Where nothing is written the old state does no harm.
CREATE FUNCTION stratum.enter(tenant uuid) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    state pg_catalog.text;
BEGIN
    -- A statement of a tenant must not enter another. Only a login that has not switched its role yet may.
    IF pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none' THEN
        RAISE EXCEPTION 'this transaction has entered a scope already' USING ERRCODE = '42501';
    END IF;
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(tenant, 0));
    SELECT t.status INTO state FROM stratum.tenants t WHERE t.id OPERATOR(pg_catalog.=) tenant;
    IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed'
        AND pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off' THEN
        PERFORM FROM stratum.tenants t WHERE t.id OPERATOR(pg_catalog.=) tenant FOR SHARE;
    END IF;
    IF state OPERATOR(pg_catalog.=) 'active' THEN
        PERFORM pg_catalog.set_config('stratum.tenant', tenant::pg_catalog.text, true);
        RETURN;
    END IF;
    IF state IS NULL THEN
        RAISE EXCEPTION 'unknown tenant' USING ERRCODE = 'ST002';
    END IF;
    RAISE EXCEPTION 'the tenant is %', state USING ERRCODE = 'ST003', DETAIL = state;
END $$;

-- The tenants whose rows a subtree scope may read: the tenant and its descendants, archived ones left out. Policies
-- call it in a sub-select, so that it runs once a statement.
CREATE FUNCTION stratum.visible_tenants() RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (
        SELECT array_agg(d.id)
        FROM stratum.tenants self
        JOIN stratum.tenants d ON d.path OPERATOR({{.LtreeSchema}}.<@) self.path
        WHERE self.id = stratum.tenant_id() AND d.status IN ('active', 'suspended', 'moving')
    );
END $$;

REVOKE ALL ON FUNCTION stratum.visible_tenants() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION stratum.visible_tenants() TO {{.SubtreeRole}};
GRANT EXECUTE ON FUNCTION stratum.no_tenant(), stratum.tenant_id(), stratum.admit_owner(), stratum.enter(uuid)
    TO PUBLIC;
