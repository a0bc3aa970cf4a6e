package copies

// shapeSQL is run with pg_catalog as the search_path, so that types are printed with their schema. The operator of a
// key is the one of its index: what "=" means depends on the search_path, and for some types there is none in
// pg_catalog.
const shapeSQL = `
WITH wanted AS (
	SELECT n.nspname AS schema, c.relname AS name, c.oid, c.relreplident AS identity, c.relkind
	FROM unnest($1::text[], $2::text[]) AS w (schema, name)
	JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p')
), col AS (
	SELECT a.attrelid, a.attnum, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
		CASE WHEN base.typtype IN ('e', 'd', 'c') THEN base.typname::text
			ELSE format_type(base.oid, CASE WHEN a.atttypid = base.oid THEN a.atttypmod END) END
			|| CASE WHEN a.atttypid <> base.oid THEN '[]' ELSE '' END
			|| coalesce((SELECT '(' || string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) || ')'
				FROM pg_catalog.pg_enum e WHERE e.enumtypid = base.oid), '') AS kind,
		a.attgenerated <> '' AS generated, a.attidentity = 'a' AS always
	FROM wanted w
	JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
	JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
	JOIN pg_catalog.pg_type base ON base.oid = CASE WHEN t.typcategory = 'A' AND t.typelem <> 0
		THEN t.typelem ELSE t.oid END
), key AS (
	SELECT i.indrelid, k.position, a.attname AS name, format('OPERATOR(%I.%s)', opn.nspname, op.oprname) AS operator
	FROM wanted w
	JOIN pg_catalog.pg_index i ON i.indrelid = w.oid AND i.indisprimary
	CROSS JOIN unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k (attnum, class, position)
	JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum = k.attnum
	JOIN pg_catalog.pg_opclass oc ON oc.oid = k.class
	JOIN pg_catalog.pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
		AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
	JOIN pg_catalog.pg_operator op ON op.oid = ao.amopopr
	JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace
	WHERE k.position <= i.indnkeyatts
)
SELECT coalesce(json_agg(json_build_object(
	'Schema', w.schema, 'Name', w.name, 'ID', w.oid::bigint, 'Identity', w.identity,
	'Columns', (SELECT json_agg(json_build_object('Name', c.name, 'Type', c.type, 'Kind', c.kind,
			'Generated', c.generated, 'Always', c.always) ORDER BY c.attnum)
		FROM col c WHERE c.attrelid = w.oid),
	'Key', (SELECT json_agg(json_build_object('Name', k.name, 'Operator', k.operator) ORDER BY k.position)
		FROM key k WHERE k.indrelid = w.oid),
	'Watched', EXISTS (SELECT FROM pg_catalog.pg_trigger g
		WHERE g.tgrelid = w.oid AND g.tgname = 'stratum_truncated' AND g.tgenabled = 'A'),
	'Actions', EXISTS (SELECT FROM pg_catalog.pg_constraint f
		WHERE f.contype = 'f' AND f.confrelid = w.oid AND f.confdeltype <> 'a'),
	'Digest', (SELECT md5(string_agg(format('%s %s %s', c.name, c.kind, c.generated), ';' ORDER BY c.name))
		FROM col c WHERE c.attrelid = w.oid)
)), '[]')::text
FROM wanted w`
