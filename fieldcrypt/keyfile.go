package fieldcrypt

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// ParseKeyfile returns the KEK of a keyfile: one key in each line, as FormatKey writes it, the current one first. Empty
// lines and lines that start with "#" are left out. It returns ErrKEK for anything else, with the number of the line.
//
// To rotate the KEK, put a new key in front, restart the programs, run core.Keys.RewrapKEK, and take the old keys out.
// Where many programs start at different times, first add the new key behind the current one, everywhere, and then
// change their order: so that no program meets a key it has not got.
func ParseKeyfile(text []byte) (KEK, error) {
	var all []KEK
	for i, line := range bytes.Split(text, []byte("\n")) {
		s := strings.TrimSpace(string(line))
		if s == "" || strings.HasPrefix(s, "#") {
			continue
		}
		key, err := ParseKey(s)
		if err != nil {
			return nil, fmt.Errorf("line %d of the keyfile: %w", i+1, err)
		}
		kek, err := LocalKEK(key)
		if err != nil {
			return nil, fmt.Errorf("line %d of the keyfile: %w", i+1, err)
		}
		all = append(all, kek)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: the keyfile has no key", ErrKEK)
	}
	return KEKs(all[0], all[1:]...)
}

// ReadKeyfile is ParseKeyfile of a file.
func ReadKeyfile(path string) (KEK, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the caller's file
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKEK, err)
	}
	defer clear(text)
	return ParseKeyfile(text)
}
