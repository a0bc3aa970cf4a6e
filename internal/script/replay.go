package script

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// ownTransaction is how a file for psql begins and ends its transaction.
var ownTransaction = regexp.MustCompile(`(?m)^(BEGIN|COMMIT);$`)

// gooseDirective is a line that tells goose what follows.
var gooseDirective = regexp.MustCompile(`(?m)^--[ \t]*\+goose[ \t]+(Up|Down)[ \t]*\r?$`)

// checkpoint is a line at the top of a file of Atlas's that stands for all files before it.
var checkpoint = regexp.MustCompile(`\A(--[^\n]*\n)*--[ \t]*atlas:checkpoint\b`)

// Up returns the SQL of the directory's migrations in the order in which the tool runs them, without the ways back and
// without transactions of their own.
func (o Options) Up() ([]File, error) {
	names, err := o.existing()
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, len(names))
	for _, name := range names {
		if o.Format == GolangMigrate && !strings.HasSuffix(name, ".up.sql") {
			continue
		}
		content, err := fs.ReadFile(o.Dir, name)
		if err != nil {
			return nil, fmt.Errorf("stratum: reading the directory of migrations: %w", err)
		}
		switch {
		case o.Format == Goose:
			content = upOnly(content)
		case o.Format == Plain:
			content = ownTransaction.ReplaceAll(content, nil)
		case o.Format == Atlas && checkpoint.Match(content):
			files = files[:0]
		}
		files = append(files, File{name, content})
	}
	return files, nil
}

// upOnly takes the parts of a goose migration that go up.
func upOnly(content []byte) []byte {
	marks := gooseDirective.FindAllSubmatchIndex(content, -1)
	var up []byte
	for i, mark := range marks {
		end := len(content)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		if string(content[mark[2]:mark[3]]) == "Up" {
			up = append(up, content[mark[1]:end]...)
		}
	}
	return up
}
