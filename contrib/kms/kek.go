package kms

import (
	"context"
	"fmt"
	"strings"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"gocloud.dev/gcerrors"
	"gocloud.dev/secrets"
)

// KEK is a keeper of gocloud.dev/secrets as a fieldcrypt.KEK. It is safe for concurrent use. Each Wrap and Unwrap is
// one call of the service; core keeps what it has unwrapped for core.KeyOptions.TTL.
type KEK struct {
	id     string
	keeper *secrets.Keeper
}

var _ fieldcrypt.KEK = (*KEK)(nil)

// maxID is the most bytes an id may have.
const maxID = 200

// New returns the KEK of a keeper. The id names the key, such as "2026-01". It is stored beside what is wrapped, so it
// is no secret, is never given to another key, and stays when the key's address changes. It returns ErrKeeper for an id
// or a keeper that is missing. Closing is the caller's, or Close's.
func New(id string, keeper *secrets.Keeper) (*KEK, error) {
	if strings.TrimSpace(id) == "" || len(id) > maxID || keeper == nil {
		return nil, ErrKeeper
	}
	return &KEK{id: "kms:" + id, keeper: keeper}, nil
}

// Open is New for the keeper of a URL, whose driver must be imported. The URL may be a secret, and is not in the error.
func Open(ctx context.Context, id, url string) (*KEK, error) {
	keeper, err := secrets.OpenKeeper(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL cannot be opened (%s)", ErrKeeper, gcerrors.Code(err))
	}
	kek, err := New(id, keeper)
	if err != nil {
		_ = keeper.Close() // it was not used
	}
	return kek, err
}

// Close closes the keeper.
func (k *KEK) Close() error { return k.keeper.Close() }

// ID returns "kms:" and the id.
func (k *KEK) ID() string { return k.id }

// Wrap has the service encrypt a key. What it is for stands in the key.
func (k *KEK) Wrap(ctx context.Context, key, _ []byte) ([]byte, error) {
	wrapped, err := k.keeper.Encrypt(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("%s: encrypt: %w", k.id, err)
	}
	return wrapped, nil
}

// Unwrap has the service decrypt a key. It returns fieldcrypt.ErrNoKEK for the id of another one, fieldcrypt.ErrUnwrap
// where the service says that the argument is wrong, and otherwise its error, such as that it cannot be reached.
func (k *KEK) Unwrap(ctx context.Context, id string, wrapped, _ []byte) ([]byte, error) {
	if id != k.id {
		return nil, fieldcrypt.ErrNoKEK
	}
	key, err := k.keeper.Decrypt(ctx, wrapped)
	switch {
	case err == nil:
		return key, nil
	case gcerrors.Code(err) == gcerrors.InvalidArgument:
		return nil, fieldcrypt.ErrUnwrap
	default:
		return nil, fmt.Errorf("%s: decrypt: %w", k.id, err)
	}
}
