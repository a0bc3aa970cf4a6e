package desk

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/core"
)

// Branding is what a tenant's people see above their tickets.
type Branding struct {
	Title string `json:"title"`
	Color string `json:"color"`
}

// SecurityPolicy is how people log in.
type SecurityPolicy struct {
	SecondFactor   bool `json:"second_factor"`
	SessionMinutes int  `json:"session_minutes"`
}

// The desk's settings. A key is a plain value, which nothing changes.
//
//nolint:gochecknoglobals // as the documentation of core.Key has it
var (
	// MaxSeats is how many people of a tenant may work at the desk.
	MaxSeats = core.Key[int]{Name: "max_seats", Default: 5, Validate: positive, Description: "people at the desk"}
	// Look is the branding.
	Look = core.Key[Branding]{
		Name: "branding", Default: Branding{Title: "Ticket desk", Color: "#444444"}, Validate: Branding.validate,
	}
	// Security is the policy that the provider has for everybody.
	Security = core.Key[SecurityPolicy]{Name: "security", Default: SecurityPolicy{SessionMinutes: 480}}
)

// Keys are all settings, for core.Options.ConfigKeys: others cannot be written then, nor these with a wrong type.
func Keys() []core.ConfigKey { return []core.ConfigKey{MaxSeats, Look, Security} }

// Settings are those of one tenant, for core.ResolveInto.
type Settings struct {
	MaxSeats int            `config:"max_seats"`
	Look     Branding       `config:"branding"`
	Security SecurityPolicy `config:"security"`
}

func positive(n int) error {
	if n < 1 {
		return errors.New("must be at least 1")
	}
	return nil
}

// color has six hexadecimal digits.
var color = regexp.MustCompile(`^#[0-9a-f]{6}$`)

func (b Branding) validate() error {
	if !color.MatchString(b.Color) {
		return errors.New("color must be like #1b6f5c")
	}
	return nil
}

// configure has a provider, one of its partners and one of the partner's customers make settings, each for itself and
// all beneath it, and prints what that comes to for the customer, and why. What it sets it may set again.
func (d *desk) configure(ctx context.Context) error {
	line, err := d.line(ctx)
	if err != nil || line == nil {
		return err
	}
	if err := d.set(ctx, line); err != nil {
		return fmt.Errorf("make settings: %w", err)
	}
	customer := line[len(line)-1]
	acting := core.WithTenant(ctx, customer.ID)
	var s Settings
	if err := core.ResolveInto(acting, d.app.Stratum(), &s); err != nil {
		return err
	}
	d.printf("Settings of %q: %d seats, %q in %s, sessions of %d minutes, second factor %t\n\n", customer.Name,
		s.MaxSeats, s.Look.Title, s.Look.Color, s.Security.SessionMinutes, s.Security.SecondFactor)
	for _, key := range []string{MaxSeats.Name, Look.Name, Security.Name} {
		why, err := d.app.Stratum().Config.Explain(acting, customer.ID, key)
		if err != nil {
			return err
		}
		d.printf("%s\n", why)
	}
	return d.loosen(acting, customer)
}

// set makes settings at three levels. No tenant can set anything above itself.
func (d *desk) set(ctx context.Context, line []core.Tenant) error {
	st, provider, partner, customer := d.app.Stratum(), line[0], line[1], line[2]
	system := core.AsSystem(ctx, "settings for everybody")
	const seats, more, minutes = 25, 40, 30
	_, err := st.Config.SetBatch(system, provider.ID, []core.ConfigChange{
		{Key: MaxSeats.Name, Value: seats},
		{Key: Look.Name, Value: Branding{Title: provider.Name, Color: "#225588"}},
		{Key: Security.Name, Value: SecurityPolicy{SecondFactor: true, SessionMinutes: minutes}, Locked: core.On},
	}, core.ConfigBatch{})
	if err != nil {
		return err
	}
	if err := MaxSeats.Set(core.WithTenant(ctx, partner.ID), st, partner.ID, more); err != nil {
		return err
	}
	look := Branding{Title: customer.Name, Color: "#1b6f5c"}
	return Look.Set(core.WithTenant(ctx, customer.ID), st, customer.ID, look)
}

// loosen is a customer that tries to have a policy of its own beneath a lock.
func (d *desk) loosen(ctx context.Context, customer core.Tenant) error {
	err := Security.Set(ctx, d.app.Stratum(), customer.ID, SecurityPolicy{})
	if err == nil {
		return errors.New("a policy beneath a lock was accepted")
	}
	var locked *core.ConfigLockedError
	if !errors.As(err, &locked) {
		return err
	}
	d.printf("%q sets a policy of its own: refused, %s has locked %s\n\n", customer.Name, locked.Ancestor.Slug,
		locked.Key)
	return nil
}

// line returns the first line of a provider, a partner and a customer that are all active, or nil.
func (d *desk) line(ctx context.Context) ([]core.Tenant, error) {
	tree, err := d.tree(ctx, uuid.Nil)
	if err != nil {
		return nil, err
	}
	const levels = 3
	var line []core.Tenant
	for _, tenant := range tree {
		level := tenant.Depth() - 1
		if level > len(line) {
			continue // one above it is not active
		}
		line = line[:level]
		if tenant.Status == core.StatusActive {
			line = append(line, tenant)
		}
		if len(line) == levels {
			return line, nil
		}
	}
	return nil, nil
}
