package install

import (
	"context"
	"io/fs"
)

// Release lets tests install what an older or a newer binary would.
type Release = release

// Embedded is the release of this binary.
func Embedded() (Release, error) { return embedded() }

// ReadRelease reads a release from a folder.
func ReadRelease(fsys fs.FS, dir string) (Release, error) { return readRelease(fsys, dir) }

// ApplyRelease does what Migrate does in a binary with that release.
func ApplyRelease(ctx context.Context, r Release, opts Options) error { return r.migrate(ctx, opts) }

// ScriptRelease does what Script does in a binary with that release.
func ScriptRelease(r Release, opts Options) (string, error) {
	p, err := opts.withDefaults().plan()
	if err != nil {
		return "", err
	}
	return r.script(p)
}

// Extend returns a newer release.
func Extend(r Release, minCompatible int, text string) Release {
	next := r.version() + 1
	return append(r[:len(r):len(r)], migration{version: next, minCompatible: minCompatible, name: "next.sql", text: text})
}

// Newest returns the version and min_compatible of a release.
func Newest(r Release) (version, minCompatible int) {
	last := r[len(r)-1]
	return last.version, last.minCompatible
}

// Render renders every migration of a release.
func Render(r Release, roles Roles, ltreeSchema string) ([]string, error) {
	var texts []string
	for _, m := range r {
		text, err := m.render(newNames(roles, ltreeSchema))
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// CheckServer is Migrate's refusal of an old server.
var CheckServer = checkServer

// IsRace says whether Migrate tries again after an error.
var IsRace = isRace
