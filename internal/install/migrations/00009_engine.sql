-- For Citus, where the rows are on other servers than the tenants. A policy there can neither read stratum.tenants nor
-- have a sub-select, so the tenants of a subtree travel with the statement, as its own tenant does.
-- min_compatible: 3

-- What the policies of a subtree compare with on Citus. Without the setting it raises, as stratum.tenant_id does.
CREATE FUNCTION stratum.carried_tenants() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
    RETURN string_to_array(coalesce(nullif(current_setting('stratum.visible', true), ''), stratum.no_tenant()), ',')::uuid[];

-- Sets what stratum.carried_tenants reads. Citus carries the text of a SET LOCAL, and not what set_config does, hence the
-- EXECUTE: ids alone are put into it.
CREATE FUNCTION stratum.carry_subtree() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    EXECUTE pg_catalog.format('SET LOCAL stratum.visible TO %L',
        pg_catalog.array_to_string(stratum.visible_tenants(), ','));
END $$;

-- Whether the right is there is asked before the role is switched; stratum.visible_tenants asks for the role itself.
GRANT EXECUTE ON FUNCTION stratum.carried_tenants(), stratum.carry_subtree() TO PUBLIC;
