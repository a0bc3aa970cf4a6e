package isolation

// factsSQL returns the Facts of table $1 as JSON, and no row where there is no such table. A list is NULL where it is
// empty. Keys and references that belong to a partition alone are left out.
const factsSQL = `
SELECT json_build_object(
	'secured', c.relrowsecurity, 'forced', c.relforcerowsecurity,
	'columns', (
		SELECT json_agg(json_build_object(
			'name', a.attname, 'not_null', a.attnotnull OR t.typnotnull,
			'default', a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
			'type', format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), NULL),
			'length', CASE WHEN coalesce(nullif(t.typbasetype, 0), a.atttypid)
					IN ('varchar'::regtype, 'bpchar'::regtype)
				THEN greatest(a.atttypmod, t.typtypmod, 4) - 4 ELSE 0 END,
			'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e
				WHERE e.enumtypid = coalesce(nullif(t.typbasetype, 0), a.atttypid))) ORDER BY a.attnum)
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
	'primary', (
		SELECT json_agg(a.attname ORDER BY k.ord)
		FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, ord), pg_attribute a
		WHERE i.indrelid = c.oid AND i.indisprimary AND k.ord <= i.indnkeyatts
			AND a.attrelid = c.oid AND a.attnum = k.num),
	'checks', (
		SELECT json_agg(pg_get_constraintdef(k.oid) ORDER BY k.conname) FROM pg_constraint k
		WHERE k.conrelid = c.oid AND k.contype = 'c'),
	'uniques', (
		SELECT json_agg(json_build_object('name', x.relname, 'partial', i.indpred IS NOT NULL, 'columns', (
			SELECT json_agg(coalesce(a.attname, '') ORDER BY k.ord)
			FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, ord)
			LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num AND k.num > 0
			WHERE k.ord <= i.indnkeyatts)) ORDER BY x.relname)
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
		WHERE i.indrelid = c.oid AND i.indisunique AND NOT i.indisprimary),
	'references', (
		SELECT json_agg(json_build_object('name', k.conname, 'schema', n.nspname, 'table', r.relname,
			'columns', (SELECT json_agg(a.attname ORDER BY u.ord)
				FROM unnest(k.conkey) WITH ORDINALITY AS u(num, ord)
				JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num),
			'ref_columns', (SELECT json_agg(a.attname ORDER BY u.ord)
				FROM unnest(k.confkey) WITH ORDINALITY AS u(num, ord)
				JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num)) ORDER BY k.conname)
		FROM pg_constraint k JOIN pg_class r ON r.oid = k.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
		WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0)
)::text
FROM pg_class c WHERE c.oid = to_regclass($1)`
