package core

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// slugPattern is that of the table's constraint tenants_slug_check; a test holds the two together.
var slugPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// validate checks every field and returns the metadata as JSON.
func (n NewTenant) validate() (metadata string, err error) {
	if n.Parent != uuid.Nil && n.ParentSlug != "" {
		return "", &InvalidError{Field: "ParentSlug", Reason: "must be empty when Parent is given"}
	}
	if n.ParentSlug != "" && checkSlug(n.ParentSlug) != nil {
		return "", ErrTenantNotFound // what cannot be a slug is nobody's
	}
	for _, check := range []error{checkSlug(n.Slug), checkName(n.Name), checkExternalID(n.ExternalID)} {
		if check != nil {
			return "", check
		}
	}
	if n.Isolation != "" && !n.Isolation.known() {
		return "", &InvalidError{Field: "Isolation", Reason: "must be shared, schema or database"}
	}
	return encodeMetadata(n.Metadata)
}

func checkSlug(slug string) error {
	if !slugPattern.MatchString(slug) {
		return &InvalidError{Field: "Slug", Reason: "must be a lower-case letter and at most 62 lower-case letters, " +
			`digits, "_" and "-"`}
	}
	return nil
}

func checkName(name string) error {
	if strings.TrimSpace(name) == "" {
		return &InvalidError{Field: "Name", Reason: "must not be blank"}
	}
	return checkText("Name", name, MaxNameLength)
}

func checkExternalID(externalID string) error {
	return checkText("ExternalID", externalID, MaxExternalIDLength)
}

// checkText returns an *InvalidError for a text that is too long or that PostgreSQL cannot store.
func checkText(field, text string, limit int) error {
	switch {
	case !utf8.ValidString(text):
		return &InvalidError{Field: field, Reason: "must be valid UTF-8"}
	case strings.ContainsRune(text, 0):
		return &InvalidError{Field: field, Reason: "must not have a NUL character"}
	case utf8.RuneCountInString(text) > limit:
		return &InvalidError{Field: field, Reason: "must have at most " + strconv.Itoa(limit) + " characters"}
	default:
		return nil
	}
}

// encodeMetadata returns metadata as a JSON object, an empty one for nil. Its errors are *InvalidErrors, which leave
// the content out: it may be personal.
func encodeMetadata(metadata map[string]any) (string, error) {
	if metadata == nil {
		return "{}", nil
	}
	encoded, err := json.Marshal(metadata)
	if err != nil {
		return "", &InvalidError{Field: "Metadata", Reason: "cannot be written as JSON"}
	}
	if len(encoded) > MaxMetadataSize {
		return "", &InvalidError{Field: "Metadata", Reason: "must have at most " + strconv.Itoa(MaxMetadataSize) +
			" bytes as JSON"}
	}
	if !storableJSON(encoded) {
		return "", &InvalidError{Field: "Metadata", Reason: "must be valid UTF-8 without a NUL character"}
	}
	return string(encoded), nil
}

// storableJSON reports whether PostgreSQL can store what encoding/json has written.
func storableJSON(encoded []byte) bool {
	// Doubled backslashes are escaped ones; without them every backslash left begins an escape. encoding/json writes
	// invalid UTF-8 as an escaped replacement character, but a real one as it is.
	escapes := strings.ReplaceAll(string(encoded), `\\`, "")
	return !strings.Contains(escapes, `\u0000`) && !strings.Contains(escapes, `\ufffd`)
}
