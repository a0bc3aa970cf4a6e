package gormstratum

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/tables"
)

// plainMigration moves columns with values in the clear beside those that are to be sealed, and takes them away when
// nothing is left in them. No row is rewritten.
type plainMigration struct {
	registry *registry
	tx       *recorder
}

// relation is the table as it is written in a statement.
func (t *table) relation() string {
	schema, name := tables.SplitName(t.schema.Table)
	if schema == "" {
		return quoteName(name)
	}
	return quoteName(schema) + "." + quoteName(name)
}

// each calls work for each encrypted column, in an order that is always the same.
func (m plainMigration) each(work func(t *table, e *encryptedField) error) error {
	for _, name := range m.registry.order {
		t := m.registry.tables[name]
		for _, column := range slices.Sorted(maps.Keys(t.encrypted)) {
			if err := work(t, t.encrypted[column]); err != nil {
				return err
			}
		}
	}
	return nil
}

// plainFacts are what the database has of a column.
type plainFacts struct {
	typ      string
	computed bool // generated, or an identity
	sealed   bool // bytea, and refuses what is not sealed
}

// facts looks at a column. It reports false for one that is not there.
func (m plainMigration) facts(ctx context.Context, t *table, column string) (f plainFacts, found bool, err error) {
	const query = `SELECT pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> '' OR a.attidentity <> '',
			EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid = a.attrelid AND c.conname = $3)
		FROM pg_catalog.pg_attribute a
		WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped AND a.attnum > 0`
	check := fmt.Sprintf("chk_%s_%s_sealed", lastPart(t.schema.Table), column)
	err = m.tx.QueryRowContext(ctx, query, t.relation(), column, check).Scan(&f.typ, &f.computed, &f.sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return f, false, nil
	}
	f.sealed = f.sealed && f.typ == byteaType
	return f, err == nil, err
}

func (m plainMigration) exec(ctx context.Context, format string, args ...any) error {
	_, err := m.tx.ExecContext(ctx, fmt.Sprintf(format, args...))
	return err
}

// expand puts each column that is to be encrypted in place beside the one that it will be sealed in.
func (m plainMigration) expand(ctx context.Context) error {
	return m.each(func(t *table, e *encryptedField) error {
		if e.plain == "" {
			return nil
		}
		f, found, err := m.facts(ctx, t, e.field.DBName)
		if err != nil || !found || f.sealed {
			return err
		}
		_, taken, err := m.facts(ctx, t, e.plain)
		switch {
		case err != nil:
			return err
		case taken:
			return fmt.Errorf("%w: column %s has values in the clear and is to go out of the way, and there is a "+
				"column %q already (give another name, as in stratum:\"plain=name\")", ErrPlain, e, e.plain)
		case f.computed:
			return fmt.Errorf("%w: column %s is computed by the database (drop its expression or identity first)",
				ErrPlain, e)
		}
		if err := m.aloneHere(ctx, e); err != nil {
			return err
		}
		if err := m.renameKeys(ctx, t, e); err != nil {
			return err
		}
		return m.exec(ctx, "ALTER TABLE %s RENAME COLUMN %s TO %s", t.relation(), quoteName(e.field.DBName),
			quoteName(e.plain))
	})
}

// aloneHere refuses to rename a column while there are tables elsewhere, which Fleet.Migrate does not rename.
func (m plainMigration) aloneHere(ctx context.Context, e *encryptedField) error {
	const query = `SELECT EXISTS (SELECT FROM stratum.tenants WHERE isolation <> 'shared')
			OR EXISTS (SELECT FROM stratum.placements WHERE name <> 'home')`
	var elsewhere bool
	if err := m.tx.QueryRowContext(ctx, query).Scan(&elsewhere); err != nil {
		return err
	}
	if elsewhere {
		return fmt.Errorf("%w: column %s would have to be renamed in all schemas and databases at once (seal it in a "+
			"column of its own: gorm:\"column:%s_sealed\" and stratum:\"plain=%[3]s,label=%s.%[3]s\")", ErrPlain, e,
			e.field.DBName, lastPart(e.table.Table))
	}
	return nil
}

// renameKeys takes the names of a column's indexes and constraints away, for those of the blind index to have. They
// stay what they are, for the rows that are not sealed yet.
func (m plainMigration) renameKeys(ctx context.Context, t *table, e *encryptedField) error {
	const query = `SELECT i.relname, i.relnamespace::regnamespace::text
		FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
		JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey)
		WHERE x.indrelid = pg_catalog.to_regclass($1) AND a.attname = $2 AND NOT x.indisprimary ORDER BY 1`
	rows, err := m.tx.QueryContext(ctx, query, t.relation(), e.field.DBName)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var found []string
	for rows.Next() {
		var name, schema string
		if err := rows.Scan(&name, &schema); err != nil {
			return err
		}
		renamed := name[:min(len(name), maxNameLength-len(plainSuffix))] + plainSuffix
		found = append(found, fmt.Sprintf("ALTER INDEX %s.%s RENAME TO %s", schema, quoteName(name),
			quoteName(renamed)))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, statement := range found { // the index of a constraint takes the constraint along
		if err := m.exec(ctx, "%s", statement); err != nil {
			return err
		}
	}
	return nil
}

// maxNameLength is the most bytes a name has in PostgreSQL.
const maxNameLength = 63

// plainNote is the comment by which a column of values in the clear is known when its declaration has gone.
func plainNote(e *encryptedField) string {
	return "stratum: values of " + strings.ReplaceAll(e.field.DBName, "'", "") + " that are not sealed yet"
}

// contract takes columns away that are declared no more and have nothing in them, and refuses those that have.
func (m plainMigration) contract(ctx context.Context) error {
	return m.each(func(t *table, e *encryptedField) error {
		if e.plain != "" {
			return nil
		}
		if err := m.dropPlain(ctx, t, e); err != nil {
			return err
		}
		f, found, err := m.facts(ctx, t, e.field.DBName)
		if err != nil || !found || f.sealed {
			return err
		}
		return m.refusePlain(ctx, t, e, f)
	})
}

// dropPlain drops the column that expand has made, once it is empty.
func (m plainMigration) dropPlain(ctx context.Context, t *table, e *encryptedField) error {
	const query = `SELECT a.attname FROM pg_catalog.pg_attribute a
		WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
			AND pg_catalog.col_description(a.attrelid, a.attnum) = $2`
	var plain string
	err := m.tx.QueryRowContext(ctx, query, t.relation(), plainNote(e)).Scan(&plain)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	left, err := m.hasValues(ctx, t, quoteName(plain)+" IS NOT NULL")
	switch {
	case err != nil:
		return err
	case left:
		return fmt.Errorf("%w: column %s has values in the clear in %q (keep stratum:%q in its tag, and run "+
			"gormstratum.EncryptInPlace until none is left, also of tenants that are not active)", ErrPlain, e, plain,
			tagPlain)
	}
	required := ""
	if e.field.NotNull { // GORM leaves that to who makes the column
		required = ", ALTER COLUMN " + quoteName(e.field.DBName) + " SET NOT NULL"
	}
	return m.exec(ctx, "ALTER TABLE %s DROP COLUMN %s%s", t.relation(), quoteName(plain), required)
}

// refusePlain refuses a column with values that are not sealed, and makes one without any bytea.
func (m plainMigration) refusePlain(ctx context.Context, t *table, e *encryptedField, f plainFacts) error {
	column, condition := quoteName(e.field.DBName), sealedCondition(e.field.DBName)
	if f.typ != byteaType {
		condition = column + " IS NULL"
	}
	plain, err := m.hasValues(ctx, t, "NOT coalesce("+condition+", true)")
	switch {
	case err != nil:
		return err
	case plain:
		return fmt.Errorf("%w: column %s has values that are not sealed (tag it stratum:%q, call Migrate, then "+
			"gormstratum.EncryptInPlace, and take the word away when it is done)", ErrPlain, e, tagPlain)
	case f.typ == byteaType:
		return nil
	}
	return m.exec(ctx, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT, ALTER COLUMN %[2]s TYPE bytea USING NULL",
		t.relation(), column)
}

func (m plainMigration) hasValues(ctx context.Context, t *table, condition string) (has bool, err error) {
	err = m.tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM "+t.relation()+" WHERE "+condition+")").Scan(&has)
	return has, err
}

// relax makes columns of values in the clear what they are while their rows are sealed: empty for new rows. It runs
// behind GORM's migration, which has made the table where it was not there.
func (m plainMigration) relax(ctx context.Context) error {
	return m.each(func(t *table, e *encryptedField) error {
		if e.plain == "" {
			return nil
		}
		const query = `SELECT a.attnotnull, a.atthasdef AND a.attgenerated = '',
				coalesce(pg_catalog.col_description(a.attrelid, a.attnum), '')
			FROM pg_catalog.pg_attribute a
			WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped`
		var required, hasDefault bool
		var note string
		err := m.tx.QueryRowContext(ctx, query, t.relation(), e.plain).Scan(&required, &hasDefault, &note)
		missing := errors.Is(err, sql.ErrNoRows)
		if err != nil && !missing {
			return err
		}
		column := quoteName(e.plain)
		for _, s := range []struct {
			needed    bool
			statement string
		}{
			{missing, "ADD COLUMN " + column + " text"},
			{required, "ALTER COLUMN " + column + " DROP NOT NULL"},
			{hasDefault, "ALTER COLUMN " + column + " DROP DEFAULT"},
		} {
			if s.needed {
				if err := m.exec(ctx, "ALTER TABLE %s %s", t.relation(), s.statement); err != nil {
					return err
				}
			}
		}
		if note == plainNote(e) {
			return nil
		}
		return m.exec(ctx, "COMMENT ON COLUMN %s.%s IS '%s'", t.relation(), column, plainNote(e))
	})
}
