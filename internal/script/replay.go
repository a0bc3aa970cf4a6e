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
var gooseDirective = regexp.MustCompile(`(?m)^--\s*\+goose\s+(Up|Down)\s*$`)

// Up returns the SQL of the directory's migrations in order, without the ways back and without transactions of their
// own.
func (o Options) Up() ([]File, error) {
	names, err := o.existing()
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, len(names))
	for _, name := range names {
		if strings.HasSuffix(name, ".down.sql") {
			continue
		}
		content, err := fs.ReadFile(o.Dir, name)
		if err != nil {
			return nil, fmt.Errorf("stratum: reading the directory of migrations: %w", err)
		}
		files = append(files, File{name, ownTransaction.ReplaceAll(upOnly(content), nil)})
	}
	return files, nil
}

// upOnly takes the parts of a goose migration that go up. Other files have no such lines.
func upOnly(content []byte) []byte {
	marks := gooseDirective.FindAllSubmatchIndex(content, -1)
	if len(marks) == 0 {
		return content
	}
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
