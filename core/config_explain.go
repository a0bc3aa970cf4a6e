package core

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"

	"github.com/stratum-hq/stratum-go/internal/config"
)

// ConfigOutcome is what became of one tenant's say on a key.
type ConfigOutcome = config.Outcome

// The outcomes.
const (
	// ConfigUnset is of a tenant that has not set the key.
	ConfigUnset = config.Unset
	// ConfigHolds is of the one whose value holds.
	ConfigHolds = config.Holds
	// ConfigOverridden is of a tenant whose value another one has replaced that is nearer to the one asked about.
	ConfigOverridden = config.Overridden
	// ConfigShadowed is of a tenant beneath a lock.
	ConfigShadowed = config.Shadowed
	// ConfigIgnored is of an archived ancestor.
	ConfigIgnored = config.Ignored
)

// ConfigExplanation says why a key has the value it has for a tenant. Its String is a table for people.
type ConfigExplanation struct { //nolint:recvcheck // it is printed as a value
	// Key is the key.
	Key string
	// Tenant is the slug of the tenant.
	Tenant string
	// Value is what holds, or nil where the key is not set and not declared.
	Value *ConfigValue
	// Reason is one sentence.
	Reason string
	// Steps leads from the root to the tenant. For a declared key there is one in front of the root for its default.
	Steps []ConfigStep
}

// ConfigStep is one tenant's say on a key.
type ConfigStep struct {
	// Source is the tenant.
	Source ConfigSource
	// Outcome is what became of what it says.
	Outcome ConfigOutcome
	// Value is what the tenant has set, or nil where it has not set the key.
	Value *ConfigValue
	// Withheld says that Value has no Value because it is none of the caller's business: it is that of a tenant above
	// the caller's own, and does not hold.
	Withheld bool
}

// Explain returns what each tenant from the root to a tenant has set for a key, and why one of it holds. A key that is
// set nowhere is explained too. Errors are those of Get, but for ErrConfigNotFound.
func (c *Config) Explain(ctx context.Context, tenant uuid.UUID, key string) (ConfigExplanation, error) {
	if !config.ValidKey(key) {
		return ConfigExplanation{}, operationError("explain config", invalidKey(key))
	}
	s, entries, v, err := c.chain(ctx, tenant, key)
	if err != nil {
		return ConfigExplanation{}, operationError("explain config", err)
	}
	e := ConfigExplanation{Key: key, Tenant: s.Tenant().Slug}
	if d, ok := c.keys[key]; ok {
		e.addDefault(d, s.Lookup(key) == nil)
	}
	for depth, step := range config.Explain(s.Path(), entries) {
		e.add(v.step(s, step, depth))
	}
	e.Reason = e.reason()
	return e, nil
}

// step returns a step as the viewer may see it.
func (v viewer) step(s *config.Snapshot, step config.Step, depth int) ConfigStep {
	result := ConfigStep{Source: v.source(step.Tenant, depth), Outcome: step.Outcome}
	if step.Entry == nil {
		return result
	}
	value := v.value(s, step.Entry)
	if depth < v.top && step.Outcome != config.Holds {
		value.Value, result.Withheld = nil, true
	}
	result.Value = &value
	return result
}

func (e *ConfigExplanation) addDefault(d declaration, holds bool) {
	value := d.value()
	step := ConfigStep{Outcome: ConfigOverridden, Value: &value}
	if holds {
		step.Outcome = ConfigHolds
	}
	e.add(step)
}

func (e *ConfigExplanation) add(step ConfigStep) {
	e.Steps = append(e.Steps, step)
	if step.Outcome == ConfigHolds {
		e.Value = step.Value
	}
}

func (e ConfigExplanation) reason() string {
	switch {
	case e.Value == nil:
		return "no tenant has set it"
	case e.Value.Default:
		return "no tenant has set it, so the declared default holds"
	case e.Value.Locked && e.Value.Source.Slug != e.Tenant:
		return e.Value.Source.Slug + " has locked it, and no tenant above"
	case e.Value.Source.Slug == e.Tenant:
		return "the tenant has set it itself, and no tenant above has locked it"
	default:
		return e.Value.Source.Slug + " is the nearest to have set it, and no tenant has locked it"
	}
}

// String is a table with a line for each tenant from the root on, beneath a sentence that says what holds and why.
func (e ConfigExplanation) String() string {
	var b strings.Builder
	held := "not set"
	if e.Value != nil {
		held = shorten(e.Value.text())
	}
	fmt.Fprintf(&b, "%s for %s: %s (%s)\n", e.Key, e.Tenant, held, e.Reason)
	const padding = 2
	w := tabwriter.NewWriter(&b, 0, 0, padding, ' ', 0)
	_, _ = fmt.Fprintln(w, "TENANT\tOUTCOME\tLOCK\tVALUE")
	for _, step := range e.Steps {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", step.name(), step.Outcome, step.lock(), step.text())
	}
	_ = w.Flush()
	return b.String()
}

func (s ConfigStep) name() string {
	if s.Value != nil && s.Value.Default {
		return "(default)"
	}
	return s.Source.Slug
}

func (s ConfigStep) lock() string {
	if s.Value != nil && s.Value.Locked {
		return "locked"
	}
	return "-"
}

func (s ConfigStep) text() string {
	switch {
	case s.Value == nil:
		return "-"
	case s.Value.Sensitive:
		return redacted
	case s.Withheld:
		return "[withheld]"
	default:
		return shorten(s.Value.text())
	}
}

// shorten keeps a table readable.
func shorten(text string) string {
	const limit = 60
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit-1]) + "…"
}
