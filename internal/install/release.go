package install

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

const (
	// Version is the version of the schema that this binary installs and needs.
	Version = 13

	// MinCompatible is the lowest Version that a binary must have to work with the schema this one installs. It
	// rises only with a migration that breaks what an older binary does, so that a rolling upgrade need not stop.
	MinCompatible = 3
)

//go:embed migrations/*.sql
var migrations embed.FS

// migration is one step of the schema.
type migration struct {
	version       int
	minCompatible int
	name          string
	text          string // a template
}

// release is the schema as one binary knows it, oldest migration first.
type release []migration

func (r release) version() int { return r[len(r)-1].version }

// names are what a migration's text is rendered with. All but Prefix are quoted identifiers.
type names struct {
	Prefix      string
	LtreeSchema string
	TenantRole  string
	SubtreeRole string
	SchemaRole  string
	SystemRole  string
}

func newNames(roles Roles, ltreeSchema string) names {
	return names{
		Prefix:      roles.prefix(),
		LtreeSchema: ltreeSchema,
		TenantRole:  quote(roles.Tenant),
		SubtreeRole: quote(roles.Subtree),
		SchemaRole:  quote(roles.Schema),
		SystemRole:  quote(roles.System),
	}
}

// embedded is the release of this binary.
func embedded() (release, error) {
	return readRelease(migrations, "migrations")
}

// readRelease reads files named NNNNN_noun.sql, numbered from 1 without a gap, each with a line
// "-- min_compatible: N".
func readRelease(fsys fs.FS, dir string) (release, error) {
	entries, err := fs.ReadDir(fsys, dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("stratum: reading migrations: %w", err)
	}
	var r release
	for _, entry := range entries {
		m, err := readMigration(fsys, path.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		if m.version != len(r)+1 {
			return nil, fmt.Errorf("stratum: migration %q is out of sequence (number it %05d)", m.name, len(r)+1)
		}
		r = append(r, m)
	}
	return r, nil
}

func readMigration(fsys fs.FS, file string) (migration, error) {
	text, err := fs.ReadFile(fsys, file)
	if err != nil {
		return migration{}, fmt.Errorf("stratum: reading migrations: %w", err)
	}
	name := path.Base(file)
	number, _, _ := strings.Cut(name, "_")
	version, err := strconv.Atoi(number)
	if err != nil {
		return migration{}, fmt.Errorf("stratum: migration %q has no number (name it NNNNN_noun.sql)", name)
	}
	found := regexp.MustCompile(`(?m)^-- min_compatible: (\d{1,6})$`).FindSubmatch(text)
	if found == nil {
		return migration{}, fmt.Errorf(`stratum: migration %q does not say which binaries can live with it `+
			`(add a line "-- min_compatible: N")`, name)
	}
	minCompatible, err := strconv.Atoi(string(found[1]))
	return migration{version: version, minCompatible: minCompatible, name: name, text: string(text)}, err
}

// render returns the migration as SQL to be run in one transaction. It ends with its own version, so that version
// and schema cannot part. search_path is set because names are looked up now: an overloaded function in a schema
// that others write to would be preferred to pg_catalog's where its argument types fit better.
func (m migration) render(n names) (string, error) {
	t, err := template.New(m.name).Option("missingkey=error").Parse(m.text)
	if err != nil {
		return "", fmt.Errorf("stratum: parsing migration %q: %w", m.name, err)
	}
	var b strings.Builder
	b.WriteString("SET LOCAL search_path = pg_catalog, pg_temp;\n")
	if err := t.Execute(&b, n); err != nil {
		return "", fmt.Errorf("stratum: rendering migration %q: %w", m.name, err)
	}
	fmt.Fprintf(&b, "UPDATE stratum.schema_info SET version = %d, min_compatible = %d;\n", m.version, m.minCompatible)
	return b.String(), nil
}
