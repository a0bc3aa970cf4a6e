package kms

import "errors"

// ErrKeeper is returned for what makes no KEK: see its text.
var ErrKeeper = errors.New("stratum: not a KEK (give an id of 1 to 200 characters that names the key, and a keeper " +
	"or the URL of one whose driver is imported)")
