package provision

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/shape"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Extras are what the tables of the model need beside themselves in a database of their own: the schemas, extensions,
// types and functions of the registry's database, as statements that may be repeated.
type Extras struct {
	statements []string
}

// extrasSQL returns the statements in the order in which they are possible. What belongs to an extension comes with it.
const extrasSQL = `
WITH schemas AS (
	SELECT n.oid, n.nspname FROM pg_namespace n
	WHERE n.nspname IN (SELECT t.table_schema FROM stratum.tables t WHERE t.class <> 'external')
), own AS (
	SELECT t.* FROM pg_type t JOIN schemas s ON s.oid = t.typnamespace
	WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid
		AND d.deptype = 'e')
), statement (rank, name, sql) AS (
	SELECT 1, nspname::text, format('CREATE SCHEMA IF NOT EXISTS %I', nspname) FROM schemas WHERE nspname <> 'public'
	UNION ALL
	SELECT 2, e.extname::text, format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I', e.extname, n.nspname)
	FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname NOT IN ('plpgsql', 'ltree')
	UNION ALL
	SELECT 3, t.oid::regtype::text, format('DO $stratum$ BEGIN IF to_regtype(%L) IS NULL THEN CREATE TYPE %s '
		'AS ENUM (%s); '
		'END IF; END $stratum$', format('%I.%I', s.nspname, t.typname), format('%I.%I', s.nspname, t.typname),
		(SELECT string_agg(quote_literal(v.enumlabel), ', ' ORDER BY v.enumsortorder) FROM pg_enum v
			WHERE v.enumtypid = t.oid))
	FROM own t JOIN schemas s ON s.oid = t.typnamespace WHERE t.typtype = 'e'
	UNION ALL
	SELECT 4, t.oid::text || v.enumsortorder, format('ALTER TYPE %s ADD VALUE IF NOT EXISTS %L',
		format('%I.%I', s.nspname, t.typname), v.enumlabel)
	FROM own t JOIN schemas s ON s.oid = t.typnamespace JOIN pg_enum v ON v.enumtypid = t.oid WHERE t.typtype = 'e'
	UNION ALL
	SELECT 5, t.oid::regtype::text, format('DO $stratum$ BEGIN IF to_regtype(%L) IS NULL THEN CREATE DOMAIN %s '
		'AS %s%s%s%s; '
		'END IF; END $stratum$', format('%I.%I', s.nspname, t.typname), format('%I.%I', s.nspname, t.typname),
		format_type(t.typbasetype, t.typtypmod), coalesce(' DEFAULT ' || t.typdefault, ''),
		CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END,
		(SELECT coalesce(string_agg(format(' CONSTRAINT %I %s', c.conname, pg_get_constraintdef(c.oid)), ''), '')
			FROM pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c'))
	FROM own t JOIN schemas s ON s.oid = t.typnamespace WHERE t.typtype = 'd'
	UNION ALL
	SELECT 6, p.oid::regprocedure::text, pg_get_functiondef(p.oid)
	FROM pg_proc p JOIN schemas s ON s.oid = p.pronamespace
	WHERE p.prokind IN ('f', 'p') AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
		AND d.objid = p.oid AND d.deptype = 'e')
)
SELECT sql FROM statement ORDER BY rank, name`

// ReadExtras reads them in the registry's database.
func ReadExtras(ctx context.Context, tx *sql.Tx) (Extras, error) {
	if err := setPath(ctx, tx); err != nil {
		return Extras{}, err
	}
	rows, err := tx.QueryContext(ctx, extrasSQL)
	if err != nil {
		return Extras{}, fmt.Errorf("stratum: reading what the tables need: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells
	var e Extras
	for rows.Next() {
		var statement string
		if err := rows.Scan(&statement); err != nil {
			return Extras{}, fmt.Errorf("stratum: reading what the tables need: %w", err)
		}
		e.statements = append(e.statements, statement)
	}
	if err := rows.Err(); err != nil {
		return Extras{}, fmt.Errorf("stratum: reading what the tables need: %w", err)
	}
	return e, nil
}

// Make makes them. Each is a transaction of its own, since a new value of an enum can be used only after it.
func (e Extras) Make(ctx context.Context, db *sql.DB, roles install.Roles, schemas []string) error {
	statements := append([]string(nil), e.statements...)
	for _, schema := range schemas {
		statements = append(statements,
			"GRANT USAGE ON SCHEMA "+sqltext.Quote(schema)+" TO "+sqltext.QuoteEach(roles.All()))
	}
	for _, statement := range statements {
		//nolint:gosec // the server has written the statements
		text := "BEGIN; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL check_function_bodies = off; " +
			statement + "; COMMIT"
		if strings.HasPrefix(statement, "ALTER TYPE") {
			text = statement
		}
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("stratum: preparing the database: %w", err)
		}
	}
	return nil
}

// Hash names what a template has in it, and whose it is.
func (e Extras) Hash(model shape.Model, version int, owner string) string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%d\x00%s\x00%s\x00%v\x00%s", version, owner, model.Shape.Hash(), model.Specs,
		strings.Join(e.statements, "\x00")) // a hash never fails
	return hex.EncodeToString(sum.Sum(nil))[:8]
}
