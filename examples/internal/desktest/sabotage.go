package desktest

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// Sabotage is a hole in the boundary, made by the owner of the tables.
type Sabotage struct {
	// Name says what is missing.
	Name string
	// Statements make the hole.
	Statements []string
	// Found are attempts with SQL that must notice it.
	Found []string
}

// Sabotages are holes for the attempts to find. commentKey is the foreign key of comments to tickets.
func Sabotages(commentKey string) []Sabotage {
	return []Sabotage{
		{
			"no row-level security on tickets",
			[]string{"ALTER TABLE tickets DISABLE ROW LEVEL SECURITY"},
			[]string{
				"raw SELECT of everything", "raw UNION ALL", "raw UPDATE", "raw INSERT ... SELECT of another's rows",
				"a connection that another tenant used",
			},
		},
		{
			"no row-level security on comments",
			[]string{"ALTER TABLE comments DISABLE ROW LEVEL SECURITY"},
			[]string{"raw SELECT in a CTE", "raw DELETE in a CTE"},
		},
		{
			"a policy for everybody",
			[]string{"CREATE POLICY everybody ON tickets USING (true)"},
			[]string{"raw SELECT by another tenant's id", "raw UPDATE ... FROM"},
		},
		{
			"no row-level security on the join table",
			[]string{"ALTER TABLE ticket_tags DISABLE ROW LEVEL SECURITY"},
			[]string{"raw DELETE"},
		},
		{
			"a foreign key without the tenant",
			[]string{
				"SET stratum.owner = 'migrate'", // or the owner sees no rows to check
				"ALTER TABLE comments DROP CONSTRAINT " + commentKey,
				"ALTER TABLE comments ADD FOREIGN KEY (ticket_id) REFERENCES tickets (id)",
			},
			[]string{"raw INSERT of such a comment"},
		},
		{
			"the right to truncate",
			[]string{"GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO stratum_tenant"},
			[]string{"TRUNCATE, which no policy covers"},
		},
		{"the right to write countries", []string{"GRANT ALL ON countries TO stratum_tenant"}, nil},
	}
}

// OpenSchemas gives every tenant rights on all tables, those of schemas included, and takes policies away.
func OpenSchemas() []string {
	return []string{`DO $$ DECLARE r regclass; s regnamespace; who text; BEGIN
		FOR r, s IN SELECT c.oid, n.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relname = 'tickets' AND c.relkind = 'r' LOOP
			EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', r);
			FOREACH who IN ARRAY ARRAY['stratum_tenant', 'stratum_schema'] LOOP
				EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', s, who);
				EXECUTE format('GRANT SELECT ON %s TO %s', r, who);
			END LOOP;
		END LOOP;
	END $$`}
}

// Execute runs statements on a connection of their own.
func Execute(ctx context.Context, dsn string, statements []string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	for _, sql := range statements {
		_, execErr := conn.Exec(ctx, sql)
		err = errors.Join(err, execErr)
	}
	return errors.Join(err, conn.Close(ctx))
}
