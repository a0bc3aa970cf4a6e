package script

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"strings"
)

// atlasIgnore begins a file that Atlas leaves out of its sum, but for the name.
const atlasIgnore = "-- atlas:sum ignore"

// atlasSum returns the directory's atlas.sum with the new file in it: for each file the hash of all names and contents
// up to it, and on top the hash of these lines. See https://atlasgo.io/concepts/migration-directory-integrity and
// NewHashFile in ariga.io/atlas/sql/migrate.
func (o Options) atlasSum(added File) (File, error) {
	names, err := o.existing()
	if err != nil {
		return File{}, err
	}
	contents, all, lines := sha256.New(), sha256.New(), ""
	add := func(file File) {
		_, _ = contents.Write([]byte(file.Name)) // a hash does not fail
		if strings.HasPrefix(string(file.Content), atlasIgnore) {
			return
		}
		_, _ = contents.Write(file.Content)
		sum := base64.StdEncoding.EncodeToString(contents.Sum(nil))
		_, _ = all.Write([]byte(file.Name + sum))
		lines += file.Name + " h1:" + sum + "\n"
	}
	for _, name := range names {
		content, err := fs.ReadFile(o.Dir, name)
		if err != nil {
			return File{}, fmt.Errorf("stratum: reading the directory of migrations: %w", err)
		}
		add(File{name, content})
	}
	add(added)
	total := base64.StdEncoding.EncodeToString(all.Sum(nil))
	return File{"atlas.sum", []byte("h1:" + total + "\n" + lines)}, nil
}
