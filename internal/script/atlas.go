package script

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// atlasIgnore begins a file that Atlas leaves out of its sum, but for the name.
const atlasIgnore = "-- atlas:sum ignore"

// sumName is the file with the directory's sum.
const sumName = "atlas.sum"

// withSum adds a new atlas.sum where the directory has one: ent keeps it for the directories of all tools, and writes
// no more files to one whose sum does not fit.
func (o Options) withSum(added ...File) ([]File, error) {
	if o.Format != Atlas {
		if o.Dir == nil {
			return added, nil
		}
		if _, err := fs.Stat(o.Dir, sumName); errors.Is(err, fs.ErrNotExist) {
			return added, nil
		}
	}
	sum, err := o.atlasSum(added...)
	return append(added, sum), err
}

// atlasSum returns the directory's atlas.sum with the new files in it: for each file the hash of all names and contents
// up to it, and on top the hash of these lines. See https://atlasgo.io/concepts/migration-directory-integrity and
// NewHashFile in ariga.io/atlas/sql/migrate.
func (o Options) atlasSum(added ...File) (File, error) {
	names, err := o.all()
	if err != nil {
		return File{}, err
	}
	files := slices.Clone(added)
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
		files = append(files, File{name, content})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for _, file := range files {
		add(file)
	}
	total := base64.StdEncoding.EncodeToString(all.Sum(nil))
	return File{sumName, []byte("h1:" + total + "\n" + lines)}, nil
}
