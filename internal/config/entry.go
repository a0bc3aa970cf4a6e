package config

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/google/uuid"
)

// Archived is the status of a tenant whose entries hold for nobody beneath it.
const Archived = "archived"

// MaxKeyLength is the most characters that a key may have. The database has the same limit.
const MaxKeyLength = 128

// Tenant is a step on the path from a root to a tenant, as it was when the path was read.
type Tenant struct {
	ID     uuid.UUID
	Label  string // immutable, and never used for another tenant
	Slug   string
	Status string
}

// Entry is one key as one tenant of a path has set it.
type Entry struct {
	Depth     int // of the tenant in its path, from 0 for the root
	Key       string
	Value     json.RawMessage // JSON, where null is a value like others
	Locked    bool
	Sensitive bool
	Version   int64 // no two writes have the same
	UpdatedAt time.Time
}

// ValidKey reports whether key has the form of a key: lower-case letters, digits, "_", "." and "-", a letter first.
func ValidKey(key string) bool {
	return len(key) <= MaxKeyLength && keyPattern().MatchString(key)
}

func keyPattern() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_.-]*$`) }
