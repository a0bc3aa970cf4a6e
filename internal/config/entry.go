package config

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/google/uuid"
)

// Archived is the status of a tenant whose entries hold for nobody beneath it.
const Archived = "archived"

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
	Sealed    []byte          // what there is in place of Value, or nil
	Locked    bool
	Sensitive bool
	Version   int64 // no two writes have the same
	UpdatedAt time.Time
}

// Hold gives the entry its value, or what is sealed of one that is sensitive.
func (e *Entry) Hold(value, sealed []byte) {
	e.Value, e.Sealed, e.Sensitive = value, sealed, sealed != nil
	if e.Sensitive {
		e.Value = nil
	}
}

// keyPattern is that of the table's constraint config_key_check.
var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,127}$`)

// ValidKey reports whether key has the form of a key: a lower-case letter and at most 127 lower-case letters, digits,
// "_", "." and "-".
func ValidKey(key string) bool { return keyPattern.MatchString(key) }
