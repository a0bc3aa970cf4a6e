package core

import (
	"cmp"
	"fmt"
	"time"
)

// KeyOptions bound what Keys has in memory.
type KeyOptions struct {
	// TTL is how long the keys of a tenant are used after they were read from the registry, at most an hour. It is the
	// time after which a Shred by another program holds here in any case, and for which encrypted fields of a tenant
	// that was used before can be read and written while the registry or the KMS cannot be reached. After it the keys
	// are read anew, with a call of the KEK for each. Defaults to 5 minutes.
	TTL time.Duration

	// Max is of about how many tenants keys are kept at once. A tenant takes about 1 KiB, and another one for each
	// encrypted column that is used. Defaults to 10,000.
	Max int
}

const (
	defaultKeyTTL  = 5 * time.Minute
	maxKeyTTL      = time.Hour
	defaultKeyring = 10_000
)

func (o KeyOptions) withDefaults() KeyOptions {
	return KeyOptions{TTL: cmp.Or(o.TTL, defaultKeyTTL), Max: cmp.Or(o.Max, defaultKeyring)}
}

func (o KeyOptions) validate() error {
	switch {
	case o.TTL < 0 || o.TTL > maxKeyTTL:
		return fmt.Errorf("%w: Options.Keys.TTL must be positive and at most %s (leave it out for the default)",
			ErrConfig, maxKeyTTL)
	case o.Max < 0:
		return fmt.Errorf("%w: Options.Keys.Max must be positive (leave it out for the default)", ErrConfig)
	default:
		return nil
	}
}
