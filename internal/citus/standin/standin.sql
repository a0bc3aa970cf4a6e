SET allow_system_table_mods = on;

INSERT INTO pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    VALUES (16000, 'citus', 10, 'pg_catalog'::regnamespace, false, '13.0');

CREATE TABLE pg_catalog.pg_dist_partition (
    logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL, partkey text, colocationid int NOT NULL,
    repmodel "char" NOT NULL
);
CREATE TABLE pg_catalog.pg_dist_object (classid oid NOT NULL, objid oid NOT NULL, objsubid int NOT NULL DEFAULT 0);
GRANT SELECT ON pg_catalog.pg_dist_partition, pg_catalog.pg_dist_object TO PUBLIC;

CREATE FUNCTION pg_catalog.column_to_column_name(rel regclass, partkey text) RETURNS text LANGUAGE sql AS 'SELECT partkey';

CREATE FUNCTION pg_catalog.create_distributed_function(f regprocedure) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO pg_catalog.pg_dist_object (classid, objid) VALUES ('pg_proc'::regclass, f)
$$;

-- What Citus refuses of a table that is to be placed.
CREATE FUNCTION pg_catalog.standin_check(rel regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = rel) THEN
        RAISE EXCEPTION 'table % is already distributed', rel;
    END IF;
    IF (SELECT relforcerowsecurity FROM pg_class WHERE oid = rel) THEN
        RAISE EXCEPTION 'COPY FROM not supported with row-level security' USING ERRCODE = '0A000';
    END IF;
    IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = rel
        AND coalesce(pg_get_expr(p.polqual, p.polrelid), '') LIKE '%( SELECT %') THEN
        RAISE EXCEPTION 'cannot create policy' USING DETAIL = 'Subqueries are not supported in policies on distributed tables';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND (k.conrelid = rel AND k.confrelid NOT IN
            (SELECT logicalrelid FROM pg_dist_partition) OR k.confrelid = rel AND k.conrelid NOT IN
            (SELECT logicalrelid FROM pg_dist_partition))) THEN
        RAISE EXCEPTION 'cannot create foreign key constraint since relations are not colocated or not referencing a '
            'reference table' USING ERRCODE = '0A000';
    END IF;
END $$;

CREATE FUNCTION pg_catalog.create_reference_table(rel regclass) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM standin_check(rel);
    INSERT INTO pg_dist_partition VALUES (rel, 'n', NULL, 1, 't');
END $$;

CREATE FUNCTION pg_catalog.create_distributed_table(rel regclass, col text, colocate_with text DEFAULT 'default')
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM standin_check(rel);
    IF EXISTS (SELECT FROM pg_index i WHERE i.indrelid = rel AND i.indisunique AND NOT EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = col AND a.attnum = ANY (i.indkey::int2[]))) THEN
        RAISE EXCEPTION 'cannot create constraint on "%"', rel
            USING DETAIL = 'Distributed relations cannot have UNIQUE, EXCLUDE, or PRIMARY KEY constraints that do not '
                'include the partition column';
    END IF;
    IF colocate_with <> 'default' AND NOT EXISTS (
        SELECT FROM pg_dist_partition WHERE logicalrelid = colocate_with::regclass AND partmethod = 'h') THEN
        RAISE EXCEPTION 'relation % is not distributed', colocate_with;
    END IF;
    INSERT INTO pg_dist_partition VALUES (rel, 'h', col, 2, 's');
END $$;

-- On a distributed table Citus looks at new policies and foreign keys too.
CREATE FUNCTION public.standin_watch() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_policy p JOIN pg_dist_partition d ON d.logicalrelid = p.polrelid
        WHERE pg_get_expr(p.polqual, p.polrelid) LIKE '%( SELECT %') THEN
        RAISE EXCEPTION 'cannot create policy' USING DETAIL = 'Subqueries are not supported in policies on distributed tables';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint k JOIN pg_dist_partition d ON d.logicalrelid = k.conrelid
        WHERE k.contype = 'f' AND k.confrelid NOT IN (SELECT logicalrelid FROM pg_dist_partition)) THEN
        RAISE EXCEPTION 'cannot create foreign key constraint since relations are not colocated or not referencing a '
            'reference table' USING ERRCODE = '0A000';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint k JOIN pg_dist_partition d ON d.logicalrelid = k.conrelid
        JOIN pg_dist_partition r ON r.logicalrelid = k.confrelid AND r.partmethod = 'h'
        WHERE k.contype = 'f' AND (k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('n', 'd', 'c'))) THEN
        RAISE EXCEPTION 'cannot create foreign key constraint' USING ERRCODE = '0A000', DETAIL = 'SET NULL or SET DEFAULT '
            'is not supported in ON DELETE operation when distribution key is included in the foreign key constraint';
    END IF;
END $$;
CREATE EVENT TRIGGER standin_watch ON ddl_command_end EXECUTE FUNCTION public.standin_watch();
