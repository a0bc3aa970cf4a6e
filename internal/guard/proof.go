package guard

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"sync"

	"github.com/google/uuid"
)

// prover proves to the server that it is the application that admits a tenant, and not SQL of another one: with an HMAC
// (RFC 2104) over the tenant and the role, under a key that SQL of tenants cannot read. The proof travels as a
// parameter, which no view of the server shows to others.
type prover struct {
	// load reads the key.
	load func(context.Context) ([]byte, error)

	mu  sync.Mutex
	key []byte
}

// prove returns the proof for a tenant in a role. It reads the key when it is first needed.
func (p *prover) prove(ctx context.Context, tenant uuid.UUID, role []byte) ([]byte, error) {
	key, err := p.current(ctx)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write(tenant[:]) // a hash never fails
	_, _ = mac.Write(role)
	return mac.Sum(nil), nil
}

// current returns the key. Several may read it at once; that does no harm, and nobody waits for another's query.
func (p *prover) current(ctx context.Context) ([]byte, error) {
	p.mu.Lock()
	key := p.key
	p.mu.Unlock()
	if key != nil {
		return key, nil
	}
	key, err := p.load(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.key = key
	p.mu.Unlock()
	return key, nil
}

// drop forgets the key, after the server has refused a proof: somebody has made new ones.
func (p *prover) drop() {
	p.mu.Lock()
	p.key = nil
	p.mu.Unlock()
}
