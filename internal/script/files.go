package script

import (
	"fmt"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// Source says where the statements of a script come from, for those who read its files.
type Source struct {
	// Function is what runs the same statements, such as gormstratum.Migrate.
	Function string
	// WayBack says what takes the place of a migration down: a sentence, or nothing.
	WayBack string
	// SearchPath is where the statements look names up.
	SearchPath string
}

// framed puts around the statements what the transaction of a migration is like: the owner sees rows, and names are
// looked up where the application's tables are. A tool may use the transaction after them, so the settings are put
// back.
func (s Source) framed(statements []string) []string {
	framed := make([]string, 0, len(statements)+2)
	framed = append(framed, "SELECT pg_catalog.set_config('stratum.path', pg_catalog.current_setting('search_path'), "+
		"true), pg_catalog.set_config('search_path', "+sqltext.Literal(s.SearchPath)+", true), "+
		"pg_catalog.set_config('stratum.owner', 'migrate', true)")
	framed = append(framed, statements...)
	// Without a transaction, as ent tries files out, the setting is gone by now.
	return append(framed, "SELECT pg_catalog.set_config('search_path', "+
		"pg_catalog.current_setting('stratum.path', true), true), pg_catalog.set_config('stratum.owner', '', true)")
}

// Files lays the statements out for the tool.
func (o Options) Files(statements []string, from Source) ([]File, error) {
	statements = from.framed(statements)
	var b strings.Builder
	switch o.Format {
	case Plain:
		b.WriteString(from.head() + "BEGIN;\n\n" + terminated(statements) + "\nCOMMIT;\n")
	case Goose:
		b.WriteString("-- +goose Up\n" + from.head())
		for _, statement := range statements {
			b.WriteString(gooseStatement(statement))
		}
		b.WriteString("\n-- +goose Down\n" + gooseStatement(from.down()))
	case Atlas:
		b.WriteString(from.head() + terminated(statements))
	case GolangMigrate:
		// The tool sends a file as one query, which PostgreSQL runs as one transaction.
		b.WriteString(from.head() + terminated(statements))
		down := File{strings.Replace(o.fileName(), ".up.", ".down.", 1), []byte(from.down() + ";\n")}
		return o.withSum(File{o.fileName(), []byte(b.String())}, down)
	}
	return o.withSum(File{o.fileName(), []byte(b.String())})
}

// head says what the file is.
func (s Source) head() string {
	return fmt.Sprintf("-- What %s does, as SQL.\n-- Run it once, as the owner of the tables, in one transaction.\n\n",
		s.Function)
}

// down is the way back that is none: a Down without an error would count as one.
func (s Source) down() string {
	hint := ""
	if s.WayBack != "" {
		hint = " USING HINT = " + sqltext.Literal(s.WayBack)
	}
	return "DO $$ BEGIN RAISE EXCEPTION 'this migration has no way back'" + hint + "; END $$"
}

func terminated(statements []string) string {
	var b strings.Builder
	for _, statement := range statements {
		b.WriteString(statement + ";\n")
	}
	return b.String()
}

// gooseStatement marks where a statement ends that goose would end elsewhere: it looks for a semicolon at the end of a
// line and for two dashes at the start of a word.
func gooseStatement(statement string) string {
	if !strings.ContainsAny(statement, ";\n") && !strings.Contains(statement, "--") {
		return statement + ";\n"
	}
	return "-- +goose StatementBegin\n" + statement + ";\n-- +goose StatementEnd\n"
}
